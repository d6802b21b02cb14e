"""Chooses the rows of a corpus that a diagnosis looks at, so that it takes seconds."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from slr_accel.corpus.reader import Corpus


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly spread and in their order."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def look_alikes(corpus: Corpus, rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Rows of `among` that have as many frames and the same labels as one of `rows`: only these
    can hold the same recording."""

    def key(row: int) -> tuple[int, tuple[int, ...]]:
        start, end = corpus.rows.label_offsets[row], corpus.rows.label_offsets[row + 1]
        return int(corpus.rows.frames[row]), tuple(corpus.rows.label_ids[start:end].tolist())

    wanted = {key(int(row)) for row in rows}
    few = np.isin(corpus.rows.frames[among], [frames for frames, _ in wanted])
    return np.array([row for row in among[few] if key(int(row)) in wanted], dtype=np.int64)


def by_signer(corpus: Corpus, rows: np.ndarray) -> dict[str, list[int]]:
    """{signer: positions in `rows`}"""
    found: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        found[corpus.rows.signer(int(row))].append(position)
    return dict(sorted(found.items()))
