"""Cuts and joins training sequences, so that there are more sentences than were recorded.

A row may be cropped to a few of its signs, where the corpus has segments, and another row, cropped
likewise, may be joined to its end. The result depends on (seed, epoch, row) alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slr_accel.loading.plan import required_output_length


class Piece(NamedTuple):
    """Frames [start, end) of a row."""

    row: int
    start: int
    end: int


@dataclass(frozen=True)
class Spliced:
    pieces: tuple[Piece, ...]
    """The pieces, one after the other."""
    targets: list[int]

    @property
    def frames(self) -> int:
        return sum(piece.end - piece.start for piece in self.pieces)


@dataclass(frozen=True)
class Source:
    """A train row, as splicing needs it."""

    row: int
    frames: int
    targets: list[int]
    segments: Sequence[tuple[int, int]] | None
    """[start, end) frames of each target; None where they are not known one for one."""


def splice(
    source: Source,
    others: Sequence[Source],
    random: np.random.Generator,
    *,
    crop_probability: float,
    join_probability: float,
    output_stride: int,
    separator: list[int],
) -> Spliced:
    """Crops a row and joins another to it, each with its probability.

    A change after which CTC could not align the targets is not made.

    Args:
        others: rows that may be joined.
        separator: targets between those of joined rows.
    """
    spliced = _cropped(source, random, crop_probability, output_stride)
    if random.random() < join_probability:
        other = others[int(random.integers(len(others)))]
        second = _cropped(other, random, crop_probability, output_stride)
        joined = Spliced(
            spliced.pieces + second.pieces, spliced.targets + separator + second.targets
        )
        if _is_alignable(joined, output_stride):
            return joined
    return spliced


def _cropped(
    source: Source, random: np.random.Generator, probability: float, output_stride: int
) -> Spliced:
    whole = Spliced((Piece(source.row, 0, source.frames),), source.targets)
    if source.segments is None or random.random() >= probability:
        return whole
    first = int(random.integers(0, len(source.segments)))
    end = int(random.integers(first + 1, len(source.segments) + 1))
    borders = _borders(source)
    piece = Piece(source.row, borders[first], borders[end])
    crop = Spliced((piece,), source.targets[first:end])
    return crop if _is_alignable(crop, output_stride) else whole


def _borders(source: Source) -> list[int]:
    """Returns the frames at which a row may be cut: its ends, and midway between signs."""
    segments = source.segments or ()
    middles = [(before[1] + after[0]) // 2 for before, after in pairwise(segments)]
    return [0, *middles, source.frames]


def _is_alignable(spliced: Spliced, output_stride: int) -> bool:
    return -(-spliced.frames // output_stride) >= required_output_length(spliced.targets)
