"""Applies a run's label policy to the labels as annotated.

Training needs tokens, one CTC output each; scoring compares words. The two differ where a policy
trains on fewer words than it scores, or spells words in characters.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from slr_accel.labels.phoenix_rules import clean_2014, clean_2014t, filter_973

LabelPolicy = Literal["raw", "phoenix2014", "phoenix2014t", "filtered973", "characters"]
LABEL_POLICIES: tuple[str, ...] = get_args(LabelPolicy)
CLEANING = {"phoenix2014": clean_2014, "phoenix2014t": clean_2014t}
WORD_SEPARATOR = "|"
"""Separates words that are spelled in characters, as in wav2letter and wav2vec 2.0. Unlike a space,
it is visible in a vocabulary, a log and a CTM file."""


class Span(NamedTuple):
    """A word, and the tokens [start, end) that spell it."""

    word: str
    start: int
    end: int


def check_policy(policy: str) -> None:
    """Raises ValueError listing the known policies."""
    if policy not in LABEL_POLICIES:
        raise ValueError(f"label policy {policy!r}; known: {', '.join(LABEL_POLICIES)}")


def train_labels(policy: str, words: list[str]) -> list[str]:
    """The tokens that a sequence is trained on, from its labels as annotated.

    - `raw`: the labels themselves.
    - `phoenix2014`, `phoenix2014t`: cleaned by the rules of the corpus.
    - `filtered973`: uncleaned, without the words that the published list of 972 leaves out.
    - `characters`: Unicode code points as they are written (case is kept), WORD_SEPARATOR between
      words. ValueError where a word holds the separator.
    """
    check_policy(policy)
    if policy == "characters":
        odd = next((word for word in words if WORD_SEPARATOR in word), None)
        if odd is not None:
            raise ValueError(
                f"label {odd!r} holds {WORD_SEPARATOR!r}, which stands between words under the "
                "label policy characters; rename it when preparing the corpus"
            )
        return spelled(policy, words)
    rules = {**CLEANING, "filtered973": filter_973}
    return rules[policy](words) if policy in rules else words


def reference_labels(policy: str, sentences: list[list[str]]) -> list[list[str]]:
    """The words that the sentences of a split are scored on, from their labels as annotated.

    Words that a policy leaves out in training are scored: `filtered973` has cleaned references. A
    split of clean words, as PHOENIX' own dev and test references are, stays unchanged: cleaning it
    again would remove true repeats and spelled letters from five sentences.
    """
    check_policy(policy)
    rules = {**CLEANING, "filtered973": clean_2014}
    if policy not in rules:
        return sentences
    clean = rules[policy]
    if all(clean([word]) == [word] for word in {word for words in sentences for word in words}):
        return sentences
    return [clean(words) for words in sentences]


def spelled(policy: str, words: list[str]) -> list[str]:
    """The tokens that spell words: their characters, or each word itself."""
    return list(WORD_SEPARATOR.join(words)) if policy == "characters" else words


def separator(policy: str) -> list[str]:
    """The tokens between two sentences that are joined."""
    return [WORD_SEPARATOR] if policy == "characters" else []


def word_spans(policy: str, tokens: list[str]) -> list[Span]:
    """The words that tokens spell. Separators without words between them are ignored."""
    if policy != "characters":
        return [Span(token, i, i + 1) for i, token in enumerate(tokens)]
    spans, start = [], 0
    for end, token in enumerate([*tokens, WORD_SEPARATOR]):
        if token == WORD_SEPARATOR:
            if end > start:
                spans.append(Span("".join(tokens[start:end]), start, end))
            start = end + 1
    return spans
