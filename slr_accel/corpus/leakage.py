"""Finds recordings and sentences that are in train and in another split."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.labels.policies import reference_labels

SHARED_RECORDINGS = "shared_recordings"
"""The provenance's list of them; absent where there are none, or nobody has looked."""
MOST_SHOWN = 3
TRAIN = "train"


class SharedRecordings:
    """Compares the values of all sequences that are added while a corpus is prepared."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)

    def add(self, sequence: Sequence) -> None:
        # Python's hash of bytes takes a quarter of the time of a digest.
        content = (len(sequence.features), hash(sequence.features.tobytes()))
        self._found[content].append((sequence.id, sequence.split))

    def names(self) -> list[str]:
        """`a (train) = b (test)` for each recording in train and another split."""
        return [
            " = ".join(f"{id} ({split})" for id, split in same)
            for same in self._found.values()
            if {"train"} < {split for _, split in same}
        ]


def leakage(corpus: Corpus) -> str | None:
    """Words for a warning; None where the corpus has no such recordings."""
    return explain_shared(corpus.info.source.get(SHARED_RECORDINGS, []))


def explain_shared(shared: list[str]) -> str | None:
    """The same for such names as `SharedRecordings.names` returns."""
    if not shared:
        return None
    more = f" and {len(shared) - MOST_SHOWN} more" if len(shared) > MOST_SHOWN else ""
    return (
        f"{len(shared)} recording{'s are' if len(shared) > 1 else ' is'} in train and in another "
        f"split ({', '.join(shared[:MOST_SHOWN])}{more}): a score on what was trained on means "
        "nothing; keep each in one split"
    )


def repeated_sentences(corpus: Corpus, rows: np.ndarray, policy: str = "raw") -> np.ndarray:
    """[rows] bool: which sequences, of one split, have the very words of a train sequence.

    Single words are no sentences: where a corpus has one sign a recording, all occur in train.
    """
    found = np.zeros(len(rows), bool)
    if TRAIN not in corpus.rows.split_names or not len(rows):
        return found
    train = corpus.rows.of_split(TRAIN)
    if corpus.rows.split(rows[0]) == TRAIN:
        return found
    known = {tuple(words) for words in _words(corpus, train, policy) if len(words) > 1}
    return np.array([tuple(words) in known for words in _words(corpus, rows, policy)])


def _words(corpus: Corpus, rows: np.ndarray, policy: str) -> list[list[str]]:
    return reference_labels(policy, [corpus.labels(row) for row in rows])


def explain_repeated(repeated: np.ndarray, split: str) -> str | None:
    """Words for a note on what `repeated_sentences` found; None where there are none."""
    if not repeated.any():
        return None
    return (
        f"{repeated.sum()} of {len(repeated)} sentences of {split} ({repeated.mean():.0%}) are in "
        "train word for word"
    )
