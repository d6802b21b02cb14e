"""Turns hypotheses into words with times, and finds words that a vocabulary cannot express."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


def greedy_texts(vocabulary: Vocabulary, hypotheses: list[Hypothesis]) -> list[list[str]]:
    """Returns the words that greedy decoding says instead; none where nothing else decoded."""
    if not any(h.n_best for h in hypotheses):
        return []
    spans = [word_spans(vocabulary.label_policy, vocabulary.decode(h.greedy)) for h in hypotheses]
    return [[span.word for span in own] for own in spans]


@dataclass(frozen=True)
class Unsayable:
    """The words of references that a vocabulary cannot express."""

    words: int
    """Counted each time that they occur."""
    reference_words: int
    alike: int
    """Those among them that differ from words of the vocabulary in case or Unicode form alone."""
    example: str
    """One of them, of those that are alike if there are such."""

    def told(self) -> str | None:
        """A warning; None where everything can be said."""
        if not self.words:
            return None
        text = (
            f"{self.words} of {self.reference_words} reference words are not in the vocabulary of "
            f"the model, e.g. {self.example}"
        )
        if not self.alike:
            return text
        return (
            f"{text}; {self.alike} of them differ from its words in case or Unicode form alone: "
            "write the labels as those of training are written, or score with --protocol sclite, "
            "to which a and A are the same"
        )


def unsayable(vocabulary: Vocabulary, references: list[list[str]]) -> Unsayable:
    """Counts the words of references that the vocabulary cannot express, and why."""
    policy, folded = vocabulary.label_policy, {folded_form(token) for token in vocabulary.tokens}
    counts = Counter(word for words in references for word in words)
    missing, alike = [], []
    for word in counts:
        tokens = spelled(policy, [word])
        if not all(token in vocabulary for token in tokens):
            missing.append(word)
            if all(folded_form(token) in folded for token in tokens):
                alike.append(word)
    return Unsayable(
        words=sum(counts[word] for word in missing),
        reference_words=counts.total(),
        alike=sum(counts[word] for word in alike),
        example=min(alike or missing, default=""),
    )


def folded_form(word: str) -> str:
    """The word without case, in one Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", word).casefold())


def n_best_words(vocabulary: Vocabulary, hypothesis: Hypothesis) -> list[dict[str, Any]]:
    """What a beam holds, best first: `hypothesis` (words), `score` and `log_prob` in nats; nothing
    of greedy decoding."""
    return [
        {
            "hypothesis": [
                span.word
                for span in word_spans(vocabulary.label_policy, vocabulary.decode(scored.tokens))
            ],
            "score": round(scored.score, 4),
            "log_prob": round(scored.log_prob, 4),
        }
        for scored in hypothesis.n_best
    ]


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
