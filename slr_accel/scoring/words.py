"""Turns hypotheses into words with times, and finds words that a vocabulary cannot express."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slr_accel.labels.policies import spelled, word_spans
from slr_accel.scoring.protocols import prepared_hypotheses, prepared_references
from slr_accel.scoring.wer import Counts, score

if TYPE_CHECKING:  # decoding needs torch; words do not
    from slr_accel.ctc.decoders import Hypothesis
    from slr_accel.labels.vocabulary import Vocabulary


@dataclass(frozen=True)
class Word:
    """A recognised word, as one token or from the first to the last of its characters."""

    text: str
    start: int
    """Its first output step."""
    end: int
    """The output step after its last."""
    confidence: float
    """Mean over its tokens, 0 to 1."""


def recognised_words(vocabulary: Vocabulary, hypothesis: Hypothesis) -> list[Word]:
    """Returns the words of a hypothesis under the label policy of the vocabulary."""
    words = []
    for word, start, end in word_spans(
        vocabulary.label_policy, vocabulary.decode(hypothesis.tokens)
    ):
        confidence = sum(hypothesis.confidence[start:end]) / (end - start)
        words.append(Word(word, hypothesis.start[start], hypothesis.end[end - 1], confidence))
    return words


def recognised_texts(vocabulary: Vocabulary, hypotheses: list[Hypothesis]) -> list[list[str]]:
    """Returns the words of each hypothesis, without times."""
    return [[word.text for word in recognised_words(vocabulary, h)] for h in hypotheses]


def unavoidable_errors(vocabulary: Vocabulary, references: list[list[str]]) -> Counts:
    """Counts the errors of a recogniser that is right wherever its vocabulary allows it.

    Their WER is the floor of every model with this vocabulary.
    """
    policy = vocabulary.label_policy
    sayable = [
        [token for token in spelled(policy, words) if token in vocabulary] for words in references
    ]
    spoken = [[span.word for span in word_spans(policy, tokens)] for tokens in sayable]
    return sum(score(references, spoken), Counts())


def unavoidable_errors_under(
    protocol: str, vocabulary: Vocabulary, references: list[list[str]]
) -> Counts:
    """As `unavoidable_errors`, where the protocol changes what a vocabulary says: `loc-NORD` counts
    as NORD in phoenix2014."""
    if vocabulary.label_policy == "characters":
        return unavoidable_errors(vocabulary, prepared_references(protocol, references))
    heard = prepared_hypotheses(protocol, [[token] for token in vocabulary.tokens])
    sayable = {word for words in heard for word in words}
    expected = prepared_references(protocol, references)
    spoken = [[word for word in words if word in sayable] for words in expected]
    return sum(score(expected, prepared_hypotheses(protocol, spoken)), Counts())
