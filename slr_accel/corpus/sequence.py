"""Defines a sequence: every importer makes them, and the corpus writer takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

UNKNOWN_SIGNER = "unknown"
"""The signer where the source names none; two such sequences need not share a signer."""


class Segment(NamedTuple):
    """A sign's place in its sequence: frames [start, end)."""

    start: int
    end: int
    label: str


def fit_labels(segments: list[Segment], labels: list[str]) -> bool:
    """Whether there is a segment for each label, one after the other in time."""
    # Annotations often count the last frame in: neighbours may have one frame in common.
    in_order = all(before.end <= after.start + 1 for before, after in pairwise(segments))
    return in_order and [segment.label for segment in segments] == labels


@dataclass(frozen=True)
class Sequence:
    id: str
    split: str
    signer: str
    features: np.ndarray
    """[T, D] base values in the layout's column order; 0 where a block is absent."""
    presence: np.ndarray
    """[T, blocks] bool: whether a block was detected in a frame."""
    labels: list[str]
    """Glosses as annotated; empty for a sequence without a transcript."""
    segments: list[Segment] = field(default_factory=list)
    text: str | None = None
    seen: np.ndarray | None = None
    """[points of all blocks] frames in which each point was detected, where it is known. Of a block
    without coordinates each column counts as a point. It is not written."""
    frame_size: tuple[float, float] | None = None
    """Width and height of the picture in pixels, where they are known. They are not written."""
