"""Counts where a model errs: by length, signer, frequency of a word in train, and place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slr_accel.scoring.scored import ScoredSequence, count_errors
from slr_accel.scoring.wer import align

LENGTHS = ((1, 1), (2, 3), (4, 6), (7, 10), (11, None))
FREQUENCIES = ((0, 0), (1, 2), (3, 5), (6, 20), (21, 100), (101, None))
PLACES = ("first", "second", "inside", "last")


@dataclass
class WordCount:
    """Reference words of one kind, and how many were found."""

    words: int = 0
    correct: int = 0
    substituted: int = 0

    def add(self, op: str) -> None:
        self.words += 1
        self.correct += op == "correct"
        self.substituted += op == "substitution"

    def to_json(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "words": self.words,
            "correct": self.correct,
            "substituted": self.substituted,
            "deleted": self.words - self.correct - self.substituted,
        }


@dataclass
class _Words:
    by_frequency: dict[str, WordCount] = field(default_factory=dict)
    by_place: dict[str, WordCount] = field(default_factory=dict)


def error_figures(
    sequences: Sequence[ScoredSequence], train_counts: Mapping[str, int]
) -> dict[str, Any]:
    """WER by length of the reference and signer; recall of words by frequency and place.

    Args:
        train_counts: how often each word occurs in the train split.
    """
    of_length: dict[str, list[ScoredSequence]] = {}
    of_signer: dict[str, list[ScoredSequence]] = {}
    for sequence in sequences:
        length = _bin(len(sequence.reference), LENGTHS)
        of_length.setdefault(length, []).append(sequence)
        of_signer.setdefault(sequence.signer, []).append(sequence)
    words = _words(sequences, train_counts)
    reference = Counter(word for s in sequences for word in s.reference)
    said = Counter(word for s in sequences for word in s.hypothesis)
    unseen = {word for word in reference if not train_counts.get(word)}
    return {
        "wer": count_errors(sequences),
        "by_length": _scored(of_length, [_name(pair) for pair in LENGTHS]),
        "by_signer": _scored(of_signer, sorted(of_signer)),
        "by_frequency": _counted(words.by_frequency, [_name(pair) for pair in FREQUENCIES]),
        "by_place": _counted(words.by_place, list(PLACES)),
        "seen": {
            "reference_words": reference.total(),
            "unseen_words": sum(reference[word] for word in unseen),
            "unseen_types": sorted(unseen)[:20],
            "types": len(reference),
            "types_said": len(said),
            "most_said": said.most_common(5),
        },
    }


def _words(sequences: Sequence[ScoredSequence], train_counts: Mapping[str, int]) -> _Words:
    found = _Words()
    for sequence in sequences:
        pairs = align(sequence.reference, sequence.hypothesis).pairs
        ops = [(str(p.reference), p.op) for p in pairs if p.reference is not None]
        for place, (word, op) in enumerate(ops):
            frequency = _bin(train_counts.get(word, 0), FREQUENCIES)
            found.by_frequency.setdefault(frequency, WordCount()).add(op)
            found.by_place.setdefault(_place(place, len(ops)), WordCount()).add(op)
    return found


def _place(index: int, count: int) -> str:
    if index == 0:
        return "first"
    if index == count - 1:
        return "last"
    return "second" if index == 1 else "inside"


def _bin(number: int, bins: Sequence[tuple[int, int | None]]) -> str:
    pair = next(((low, high) for low, high in bins if high is None or number <= high), bins[-1])
    return _name(pair)


def _name(pair: tuple[int, int | None]) -> str:
    low, high = pair
    if high is None:
        return f"{low} and more"
    return str(low) if low == high else f"{low} to {high}"


def _scored(groups: Mapping[str, list[ScoredSequence]], order: list[str]) -> list[dict[str, Any]]:
    return [{"name": name, **count_errors(groups[name])} for name in order if name in groups]


def _counted(groups: Mapping[str, WordCount], order: list[str]) -> list[dict[str, Any]]:
    return [groups[name].to_json(name) for name in order if name in groups]
