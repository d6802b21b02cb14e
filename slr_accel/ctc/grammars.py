"""Grammars of decoding: an n-gram model over tokens, or over words that characters spell."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from slr_accel.ctc.fusion import Grammar
from slr_accel.ctc.language_model import END, UNKNOWN, LanguageModel, NGram, read_arpa
from slr_accel.labels.policies import separator, spelled
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.settings.decoding import DecodingSettings

NATS = math.log(10)
"""Of a log10."""
SHORTER_CONTEXTS = 1024
"""Whose probabilities are kept."""


def make_grammar(settings: DecodingSettings, vocabulary: Vocabulary) -> Grammar | None:
    """Reads the language model of the settings; None where they name none.

    Where the vocabulary spells words in characters, a model over words is also a lexicon: no other
    words are recognised. A model that holds the separator of words is one over characters. A model
    that predicts held-out sentences hardly better than single words do has less weight, or none:
    what words are frequent CTC has learned itself.

    Raises:
        ValueError: the file is no language model, or has no word of the vocabulary.
    """
    if settings.language_model is None:
        return None
    model = read_arpa(Path(settings.language_model))
    weights = {"alpha": model.weight * settings.alpha, "beta": model.weight * settings.beta}
    marks = separator(vocabulary.label_policy)
    if marks and not model.words.issuperset(marks):
        sayable = [word for word in sorted(model.words) if _can_spell(vocabulary, word)]
        grammar: Grammar = WordGrammar(model, vocabulary, sayable, **weights)
    else:
        sayable = [token for token in vocabulary.tokens if token in model.words]
        grammar = TokenGrammar(model, vocabulary, **weights)
    if not sayable:
        there, here = sorted(model.words)[:3], vocabulary.tokens[:3]
        raise ValueError(
            f"{settings.language_model} has no word of the vocabulary; it has {', '.join(there)}, "
            f"..., the vocabulary {', '.join(here)}, ...: make it with `slr-accel lm train` and "
            f"--label_policy {vocabulary.label_policy}"
        )
    return grammar


def _can_spell(vocabulary: Vocabulary, word: str) -> bool:
    return all(letter in vocabulary for letter in spelled(vocabulary.label_policy, [word]))


class TokenGrammar:
    """Adds alpha x ln p(token | those before) + beta for each token. A state is a context."""

    def __init__(
        self, model: LanguageModel, vocabulary: Vocabulary, *, alpha: float, beta: float
    ) -> None:
        self.model, self.vocabulary = model, vocabulary
        self.alpha, self.beta = alpha, beta
        self.start = model.first_context
        self.largest_gain = max(beta, 0.0)
        # Many contexts back off to the same shorter ones.
        self._lower = lru_cache(SHORTER_CONTEXTS)(self._log_probs)

    def gains(self, state: NGram) -> np.ndarray:
        return self.alpha * np.minimum(self._log_probs(state), 0.0) + self.beta

    def after(self, state: NGram, token: int) -> NGram:
        return self.model.context(state, self.vocabulary.tokens[token - 1])

    def end(self, state: NGram) -> float:
        return self.alpha * NATS * self.model.log10(state, END)

    def _log_probs(self, context: NGram) -> np.ndarray:
        """ln p of every token after the context, (V,); that of blank has no meaning."""
        if not context:
            return self._unigrams
        back_off = NATS * self.model.backoffs.get(context, 0.0)
        found: np.ndarray = self._lower(context[1:]) + back_off
        if context in self._successors:
            ids, own = self._successors[context]
            found[ids] = own
        return found

    @cached_property
    def _unigrams(self) -> np.ndarray:
        unknown = NATS * self.model.log10((), UNKNOWN)
        found = np.full(self.vocabulary.num_outputs, unknown)
        ids, own = self._successors[()]
        found[ids] = own
        return found

    @cached_property
    def _successors(self) -> dict[NGram, tuple[np.ndarray, np.ndarray]]:
        """The tokens that n-grams have after each context, and their ln p."""
        ids: dict[str, list[int]] = defaultdict(list)
        for token_id, token in enumerate(self.vocabulary.tokens, 1):
            ids[self.model.known(token)].append(token_id)
        found: dict[NGram, list[tuple[int, float]]] = defaultdict(list)
        for (*context, word), log10 in self.model.probabilities.items():
            found[tuple(context)] += [(token_id, NATS * log10) for token_id in ids.get(word, [])]
        return {
            context: (np.array([i for i, _ in own], np.int64), np.array([p for _, p in own]))
            for context, own in found.items()
        }


class WordGrammar:
    """Lets characters spell the words of a lexicon alone, and adds alpha x ln p(word | those
    before) + beta at the end of each. A state is a context, and the letters said since."""

    def __init__(
        self,
        model: LanguageModel,
        vocabulary: Vocabulary,
        lexicon: list[str],
        *,
        alpha: float,
        beta: float,
    ) -> None:
        self.model, self.vocabulary = model, vocabulary
        self.lexicon = frozenset(lexicon)
        self.alpha, self.beta = alpha, beta
        (self.separator,) = vocabulary.encode(separator(vocabulary.label_policy))
        self.start = (model.first_context, "")
        self.largest_gain = max(beta, 0.0)
        self._letters: dict[str, set[int]] = defaultdict(set)
        """The letters that may follow the beginning of a word."""
        for word in lexicon:
            for place, letter in enumerate(vocabulary.encode(word)):
                self._letters[word[:place]].add(letter)

    def gains(self, state: tuple[NGram, str]) -> np.ndarray:
        context, begun = state
        found = np.full(self.vocabulary.num_outputs, -np.inf)
        found[list(self._letters.get(begun, ()))] = 0.0
        if begun in self.lexicon:
            found[self.separator] = self._gain(context, begun)
        return found

    def after(self, state: tuple[NGram, str], token: int) -> tuple[NGram, str]:
        context, begun = state
        if token == self.separator:
            return self.model.context(context, begun), ""
        return context, begun + self.vocabulary.tokens[token - 1]

    def end(self, state: tuple[NGram, str]) -> float:
        context, begun = state
        gain = 0.0
        if begun:
            if begun not in self.lexicon:
                return -math.inf
            gain = self._gain(context, begun)
            context = self.model.context(context, begun)
        return gain + self.alpha * NATS * self.model.log10(context, END)

    def _gain(self, context: NGram, word: str) -> float:
        return self.alpha * NATS * min(self.model.log10(context, word), 0.0) + self.beta
