"""Reads all features of a corpus once and gathers the figures that its checks need."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import fit_labels
from slr_accel.inspection.body_shape import shape_of
from slr_accel.layouts.layout import Layout


@dataclass
class Content:
    """The figures of a corpus' features. D columns, B blocks, N rows."""

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
    largest: np.ndarray
    """[N, B] size of a row's largest value in the block, where present; NaN where it never is, or
    where a value is not finite."""
    still_share: np.ndarray
    """[N] share of a row's frames in its longest run without any change."""
    empty_share: np.ndarray
    """[N] share of a row's frames that are 0 throughout, as where no block was detected."""
    hands_decided: np.ndarray
    """[N] hands, counted over all frames, that are clearly nearer to one wrist of the pose."""
    hands_swapped: np.ndarray
    """[N] those among them that are nearer to the wrist of the other side."""
    shapes: np.ndarray
    """[N] shape of the body, see `shape_of`; NaN where it is not shown."""
    segments_stray: np.ndarray
    """[N] whether a row has segments, but not one for each label in order."""


def read_content(corpus: Corpus, rows: Iterable[int]) -> Content:
    """Reads every sequence of `rows` once."""
    blocks, columns, num_rows = len(corpus.layout.blocks), corpus.layout.columns, len(corpus.rows)
    content = Content(
        hashes=[None] * num_rows,
        non_finite={},
        present_frames=np.zeros(blocks, np.int64),
        zero_frames=np.zeros(blocks, np.int64),
        frames=0,
        minimum=np.full(columns, np.inf),
        maximum=np.full(columns, -np.inf),
        largest=np.full((num_rows, blocks), np.nan),
        still_share=np.zeros(num_rows),
        empty_share=np.zeros(num_rows),
        hands_decided=np.zeros(num_rows, np.int64),
        hands_swapped=np.zeros(num_rows, np.int64),
        shapes=np.full(num_rows, np.nan),
        segments_stray=np.zeros(num_rows, bool),
    )
    for row in rows:
        segments = corpus.segments(row)
        content.segments_stray[row] = bool(segments) and not fit_labels(
            segments, corpus.labels(row)
        )
        features, presence = corpus.features(row), corpus.presence(row)
        if not len(features):
            continue
        content.hashes[row] = hashlib.blake2b(features.data, digest_size=16).digest()
        content.frames += len(features)
        content.present_frames += presence.sum(axis=0)
        if features.dtype.kind == "f":
            bad = features.size - int(np.isfinite(features).sum())
            if bad:
                content.non_finite[int(row)] = bad
        content.still_share[row] = _longest_still(features) / len(features)
        content.empty_share[row] = 1 - features.any(axis=1).mean()
        content.shapes[row] = shape_of(corpus.layout, features, presence.astype(bool))
        content.hands_decided[row], content.hands_swapped[row] = _count_hands(
            corpus.layout, features, presence
        )
        for index, columns_of_block in enumerate(corpus.layout.slices.values()):
            present = features[presence[:, index], columns_of_block]
            if len(present):
                content.largest[row, index] = _add_block(content, index, columns_of_block, present)
    return content


def _add_block(content: Content, index: int, columns: slice, present: np.ndarray) -> float:
    """Adds a row's values where a block is present; returns the size of the largest, or NaN."""
    low, high = content.minimum[columns], content.maximum[columns]
    own_low, own_high = present.min(axis=0), present.max(axis=0)
    # fmin and fmax pass over NaN, which has a finding of its own.
    np.fmin(low, own_low, out=low)
    np.fmax(high, own_high, out=high)
    content.zero_frames[index] += int((~present.any(axis=1)).sum())
    size = max(-float(own_low.min()), float(own_high.max()))
    return size if np.isfinite(size) else np.nan


def _longest_still(features: np.ndarray) -> int:
    """Frames in the longest run of equal ones. Absent blocks are 0, so presence counts too."""
    changes = np.flatnonzero((features[1:] != features[:-1]).any(axis=1)) + 1
    return int(np.diff([0, *changes, len(features)]).max())


def _count_hands(layout: Layout, features: np.ndarray, presence: np.ndarray) -> tuple[int, int]:
    """(hands clearly nearer to one of the pose's wrists, those nearer to the other side's).

    Clearly means by half the distance between the wrists. (0, 0) where the layout lacks a wrist.
    """
    hands = {side: f"{side}_hand.wrist" for side in ("left", "right")}
    wrists = {side: f"pose.{side}_wrist" for side in hands}
    axes = ("x", "y")
    if not all(layout.has_point(point, axes) for point in (*hands.values(), *wrists.values())):
        return 0, 0

    def place(point: str) -> np.ndarray:
        found = features[:, layout.point_columns(point, axes)].astype(np.float32)
        return np.where(np.isfinite(found), found, np.nan)  # of which no comparison is true

    left, right = place(wrists["left"]), place(wrists["right"])
    between = np.linalg.norm(left - right, axis=1)
    decided, swapped = 0, 0
    for side, own, other in (("left", left, right), ("right", right, left)):
        hand = place(hands[side])
        lead = np.linalg.norm(hand - other, axis=1) - np.linalg.norm(hand - own, axis=1)
        present = presence[:, [layout.block_index(name) for name in ("pose", f"{side}_hand")]]
        clear = present.all(axis=1) & (np.abs(lead) > between / 2)
        decided += int(clear.sum())
        swapped += int((clear & (lead < 0)).sum())
    return decided, swapped
