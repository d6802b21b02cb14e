"""Finds recordings that are in train and in another split, while a corpus is prepared."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import Sequence

SHARED_RECORDINGS = "shared_recordings"
"""The provenance's list of them; absent where there are none, or nobody has looked."""
MOST_SHOWN = 3


class SharedRecordings:
    """Compares the values of all sequences that are added."""

    def __init__(self) -> None:
        self._found: dict[bytes, list[tuple[str, str]]] = defaultdict(list)

    def add(self, sequence: Sequence) -> None:
        content = np.ascontiguousarray(sequence.features)
        digest = hashlib.blake2b(content.data, digest_size=16).digest()
        self._found[digest].append((sequence.id, sequence.split))

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
