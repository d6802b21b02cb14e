"""What one pass over the sequences of a corpus finds, for inspection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from slr_accel.corpus.reader import Corpus


@dataclass
class Content:
    """What one pass over every sequence finds. D columns, B blocks, N rows."""

    hashes: list[bytes | None]
    """[N] of the features' bytes; None where the shard cannot be read."""
    non_finite: dict[int, int]
    """Number of NaN or infinite values by row."""
    present_frames: np.ndarray
    """[B] frames in which a block was detected."""
    zero_frames: np.ndarray
    """[B] frames in which a block counts as detected, but all its values are 0."""
    frames: int
    minimum: np.ndarray
    """[D] over the frames in which the column's block is present; +inf where there is none."""
    maximum: np.ndarray


def survey(corpus: Corpus, rows: Iterable[int]) -> Content:
    """Reads every sequence of `rows` once."""
    blocks, columns = len(corpus.layout.blocks), corpus.layout.columns
    content = Content(
        hashes=[None] * len(corpus.rows),
        non_finite={},
        present_frames=np.zeros(blocks, np.int64),
        zero_frames=np.zeros(blocks, np.int64),
        frames=0,
        minimum=np.full(columns, np.inf),
        maximum=np.full(columns, -np.inf),
    )
    for row in rows:
        features, presence = corpus.features(row), corpus.presence(row)
        content.hashes[row] = hashlib.blake2b(features.data, digest_size=16).digest()
        content.frames += len(features)
        content.present_frames += presence.sum(axis=0)
        if features.dtype.kind == "f":
            bad = features.size - int(np.isfinite(features).sum())
            if bad:
                content.non_finite[int(row)] = bad
        for index, columns_of_block in enumerate(corpus.layout.slices.values()):
            _add_block(
                content, index, columns_of_block, features[presence[:, index], columns_of_block]
            )
    return content


def _add_block(content: Content, index: int, columns: slice, present: np.ndarray) -> None:
    if len(present) == 0:
        return
    low, high = content.minimum[columns], content.maximum[columns]
    # fmin and fmax pass over NaN, which has a finding of its own.
    np.fmin(low, present.min(axis=0), out=low)
    np.fmax(high, present.max(axis=0), out=high)
    content.zero_frames[index] += int((~present.any(axis=1)).sum())
