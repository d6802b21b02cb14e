"""Scoring protocols: what becomes of references and hypotheses before they are aligned.

Pure functions of sentences. The protocol of the PHOENIX-2014 papers is in `labels.phoenix_rules`
word by word; here is what it makes of a whole hypothesis.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Literal, get_args

from slr_accel.labels.phoenix_rules import clean_2014_lines, clean_2014t
from slr_accel.labels.policies import WORD_SEPARATOR, word_spans

Protocol = Literal["phoenix2014", "phoenix2014t", "sclite", "plain", "characters"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
EMPTY = "[EMPTY]"
"""What the scripts of 2014 put where nothing was recognised. It is a word to sclite."""
_ALTERNATIVES = re.compile(r"\{|^<|^IGNORE_TIME_SEGMENT_IN_SCORING$", re.IGNORECASE | re.MULTILINE)
"""Words of a reference that sclite reads as markup for a choice of words, labels and gaps."""
_CTM_ALTERNATIVES = re.compile(r"^<ALT", re.IGNORECASE | re.MULTILINE)
_NO_WORD = re.compile("^@$", re.MULTILINE)
"""It aligns with anything, at costs of its own."""
_MARKUP = re.compile(r"[;\\*]")
_UNESCAPED_SEMICOLON = re.compile(r"(?<!\\);")
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_FOLDED = str.maketrans(_LOWER, _LOWER.upper())


def folds_case(protocol: str) -> bool:
    """Whether `a` and `A` are the same word, as they are to sclite; `ä` and `Ä` are not."""
    return protocol in ("phoenix2014", "phoenix2014t", "sclite")


def prepared_references(protocol: str, sentences: list[list[str]]) -> list[list[str]]:
    """The words that references are compared as. Those of `phoenix2014` are clean already.

    Raises:
        ValueError: a word is markup to sclite that cannot be compared.
    """
    if protocol == "characters":
        return _joined(sentences)
    if protocol == "plain":
        return sentences
    _check_markup(_distinct(sentences), _ALTERNATIVES)
    if protocol == "phoenix2014t":
        sentences = [clean_2014t(words) for words in sentences]
    return _as_sclite_reads(sentences)


def prepared_hypotheses(protocol: str, sentences: list[list[str]]) -> list[list[str]]:
    """The words that hypotheses are compared as.

    - `phoenix2014`: each word is cleaned alone, as a line of a CTM file; where none is left, the
      hypothesis is `[EMPTY]`.
    - `phoenix2014t`: the sentence is cleaned, and equal neighbours become one.
    - `sclite`: the words as sclite reads them.
    - `plain`: the words themselves.
    - `characters`: words joined of their characters, where the sentences are spelled.

    Raises:
        ValueError: a word is markup to sclite that cannot be compared.
    """
    if protocol == "characters":
        return _joined(sentences)
    if protocol == "plain":
        return sentences
    distinct = _distinct(sentences)
    _check_markup(distinct, _CTM_ALTERNATIVES)
    if protocol == "phoenix2014t":
        return _as_sclite_reads([clean_2014t(words) for words in sentences])
    if protocol == "sclite":
        return _as_sclite_reads(sentences)
    cleaned = clean_2014_lines(distinct)
    read = _sclite_words(cleaned)
    left = {word: own for word, line, own in zip(distinct, cleaned, read, strict=True) if line}
    return [[left[word] for word in words if word in left] or [EMPTY] for words in sentences]


def _as_sclite_reads(sentences: list[list[str]]) -> list[list[str]]:
    distinct = _distinct(sentences)
    read = dict(zip(distinct, _sclite_words(distinct), strict=True))
    return [[read[word] for word in words] for words in sentences]


def _sclite_words(words: list[str]) -> list[str]:
    """Words with a to z as capitals, and without what is markup in them (sctk 2.4.10).

    A semicolon and what follows are cut off, backslashes and an asterisk at the end are dropped.
    """
    text = "\n".join(words)
    if words and text.isascii() and not _MARKUP.search(text):
        read = text.upper().split("\n")
    else:
        read = [_sclite_word(word) for word in words]
    _check_markup(read, _NO_WORD)
    return read


def _sclite_word(word: str) -> str:
    word = word.upper() if word.isascii() else word.translate(_FOLDED)
    if _MARKUP.search(word):
        word = _UNESCAPED_SEMICOLON.split(word, maxsplit=1)[0].replace("\\", "")
        word = word[:-1] if len(word) > 1 and word.endswith("*") else word
    return word


def _distinct(sentences: list[list[str]]) -> list[str]:
    return list(set(chain.from_iterable(sentences)))


def _check_markup(words: list[str], markup: re.Pattern[str]) -> None:
    if not markup.search("\n".join(words)):
        return
    odd = min(word for word in words if markup.search(word))
    raise ValueError(
        f"the word {odd!r} is markup to sclite, whose counts this protocol gives: it would not be "
        "compared as it is written; rename it in both files, or take --protocol plain"
    )


def _joined(sentences: list[list[str]]) -> list[list[str]]:
    """The words of sentences spelled in characters; where no `|` occurs, they are words already."""
    if not any(WORD_SEPARATOR in words for words in sentences):
        return sentences
    return [[span.word for span in word_spans("characters", words)] for words in sentences]
