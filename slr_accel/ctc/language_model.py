"""An n-gram language model with back-off, as ARPA files hold it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from slr_accel.files import replaced

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
NEVER = -100.0
"""log10 probability of an unknown word where a model has no <unk>, as in KenLM."""
DIGITS = 7
HELD_OUT = "# perplexity of held-out sentences {}, of single words {}"
"""A comment before the n-grams, as KenLM and SRILM allow."""
NUMBER = r"([1-9]\d*\.\d+)"  # no perplexity is below 1

NGram = tuple[str, ...]


@dataclass
class LanguageModel:
    """Probabilities of n-grams and weights of back-off, as log10."""

    order: int
    """Words of the longest n-gram."""
    probabilities: dict[NGram, float] = field(default_factory=dict)
    """Of the last word of each n-gram after the others."""
    backoffs: dict[NGram, float] = field(default_factory=dict)
    """What a word costs that was not seen after this n-gram; 0 for those that are not here."""
    held_out: tuple[float, float] | None = None
    """Perplexity of sentences that such a model was not trained on, and that of single words alone,
    without those before them. None where nobody has measured it."""

    @property
    def weight(self) -> float:
        """How much the words before tell of the next one: 1 where they halve the perplexity of
        single words or more, 0 where they do not lower it; 1 where that is not known."""
        if self.held_out is None:
            return 1.0
        perplexity, of_words = self.held_out
        return min(max(2 * (1 - perplexity / of_words), 0.0), 1.0)

    @property
    def words(self) -> set[str]:
        """All words, without the marks of sentences and of unknown words."""
        every = {ngram[0] for ngram in self.probabilities if len(ngram) == 1}
        return every - {START, END, UNKNOWN}

    @property
    def first_context(self) -> NGram:
        return self.context((), START)

    def known(self, word: str) -> str:
        """The word itself, or the mark of unknown ones."""
        return word if (word,) in self.probabilities else UNKNOWN

    def context(self, before: NGram, word: str) -> NGram:
        """What the model remembers after a word: the longest n-gram that it knows."""
        if self.order == 1:
            return ()
        found = (*before, self.known(word))[1 - self.order :]
        while found and found not in self.backoffs:
            found = found[1:]
        return found

    def log10(self, context: NGram, word: str) -> float:
        """log10 probability of a word after a context."""
        word, penalty = self.known(word), 0.0
        for start in range(len(context) + 1):
            found = self.probabilities.get((*context[start:], word))
            if found is not None:
                return penalty + found
            penalty += self.backoffs.get(context[start:], 0.0)
        return penalty + NEVER

    def sentence_log10(self, words: Sequence[str]) -> float:
        """log10 probability of a sentence and its end."""
        total, context = 0.0, self.first_context
        for word in [*words, END]:
            total += self.log10(context, word)
            context = self.context(context, word)
        return total


def write_arpa(model: LanguageModel, path: Path) -> None:
    """Writes the model, n-grams in alphabetical order, so that KenLM and others read it."""
    by_order = [
        sorted(ngram for ngram in model.probabilities if len(ngram) == order)
        for order in range(1, model.order + 1)
    ]
    lines = []
    if model.held_out is not None:
        lines = [HELD_OUT.format(*(f"{perplexity:.2f}" for perplexity in model.held_out)), ""]
    lines += ["\\data\\"]
    lines += [f"ngram {order}={len(ngrams)}" for order, ngrams in enumerate(by_order, 1)]
    for order, ngrams in enumerate(by_order, 1):
        lines += ["", f"\\{order}-grams:"]
        for ngram in ngrams:
            line = f"{model.probabilities[ngram]:.{DIGITS}f}\t{' '.join(ngram)}"
            if order < model.order:
                line += f"\t{model.backoffs.get(ngram, 0.0):.{DIGITS}f}"
            lines.append(line)
    with replaced(path) as unfinished:
        unfinished.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")


def read_arpa(path: Path) -> LanguageModel:
    """Reads an ARPA file of any toolkit.

    Raises:
        ValueError: names the file and the line that is wrong.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return _read(path, enumerate(file, 1))
    except OSError as error:
        raise ValueError(
            f"{path}: the language model cannot be read ({error.strerror}); `slr-accel lm train` "
            "makes one"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}: is no ARPA file in UTF-8; of a binary model give the ARPA it was made from"
        ) from None


def explain_weight(path: Path) -> str | None:
    """Words for a warning where the file says that its model has less than full weight."""
    with suppress(OSError, ValueError):  # which are told when all of it is read
        with path.open(encoding="utf-8") as file:
            weight = LanguageModel(0, held_out=_held_out(path, enumerate(file, 1))).weight
        if weight < 1:
            return (
                f"{path}: alpha and beta count {weight:.0%}, since the words before tell little of "
                "the next one; without its first line the file has full weight"
            )
    return None


def _held_out(path: Path, lines: Iterator[tuple[int, str]]) -> tuple[float, float] | None:
    """Reads up to the line \\data\\."""
    found = None
    for _, line in lines:
        if line.strip() == "\\data\\":
            return found
        if match := re.fullmatch(HELD_OUT.format(NUMBER, NUMBER), line.strip()):
            found = float(match[1]), float(match[2])
    raise ValueError(f"{path}: is no ARPA file: it has no line \\data\\")


def _read(path: Path, lines: Iterator[tuple[int, str]]) -> LanguageModel:
    model, order, expected = LanguageModel(0, held_out=_held_out(path, lines)), 0, {}
    for number, line in lines:
        text = line.strip()
        if text == "\\end\\":
            break
        try:
            if text.startswith("ngram "):
                length, count = map(int, text.removeprefix("ngram ").split("="))
                expected[length] = count
            elif text.startswith("\\"):
                order = int(text.removeprefix("\\").removesuffix("-grams:"))
                model.order = max(order, model.order)
            elif text:
                _add(model, order, text.split())
        except ValueError:
            raise ValueError(f"{path}, line {number}: {text!r} does not belong here") from None
    else:
        raise ValueError(f"{path}: breaks off: it has no line \\end\\")
    found = Counter(map(len, model.probabilities))
    for length, count in expected.items():
        if found[length] != count:
            raise ValueError(
                f"{path}: says that it has {count} {length}-grams, and has {found[length]}"
            )
    if (END,) not in model.probabilities:
        raise ValueError(f"{path}: has no {END}, the end of sentences")
    return model


def _add(model: LanguageModel, order: int, fields: list[str]) -> None:
    """Reads a line: log10 probability, words, and a weight of back-off or none."""
    if order < 1 or not order + 1 <= len(fields) <= order + 2:
        raise ValueError
    ngram = tuple(fields[1 : order + 1])
    model.probabilities[ngram] = float(fields[0])
    if len(fields) > order + 1:
        model.backoffs[ngram] = float(fields[-1])
