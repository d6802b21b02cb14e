"""Finds out which points are absent, and fills those whose block is there."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from slr_accel.importers.filling import fill_points
from slr_accel.layouts.layout import Block, Layout
from slr_accel.layouts.missing import MARKERS, Marker, parse_markers


def add_missing(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--missing",
        metavar="MARKER",
        help=f"how a frame marks a point that was not detected: {', '.join(MARKERS)}, or several "
        f"with commas [{default}]",
    )


def check_missing(marker: str) -> None:
    """Raises ValueError where --missing is no marker."""
    try:
        parse_markers(marker)
    except ValueError as error:
        raise ValueError(f"--missing: {error}") from None


class Detected(NamedTuple):
    """What a source says about a sequence's blocks and points."""

    presence: np.ndarray
    """[T, blocks] bool: whether any point of a block was detected in a frame."""
    seen: np.ndarray
    """[points of all blocks] frames in which each point was detected."""


def fill_absent(
    features: np.ndarray, layout: Layout, missing: Mapping[str, str] | None = None
) -> Detected:
    """Finds absent points, in place: sets absent blocks to 0, and fills single points.

    A block is present where any of its points is. Its absent points take their place from the
    frames before and after, or from the block's usual shape; see `fill_points`. The frames are of
    one recording, without a cut.

    Args:
        features: [T, D] float32 values in the layout's column order.
        missing: how each block marks absent points: `zeros`, `nan`, `value NUMBER`,
            `confidence < NUMBER` or `none`, or several with commas between; None: all by NaN in one
            of their coordinates.

    Raises:
        ValueError: NaN in a block that does not mark absence by it, or a block that is to mark it
            by a confidence which it has not.
    """
    presence = np.ones((len(features), len(layout.blocks)), bool)
    seen = []
    for index, block in enumerate(layout.blocks):
        columns = layout.slices[block.name]
        markers = parse_markers("nan" if missing is None else missing[block.name])
        shape = (len(features), len(block.points), len(block.axes))
        if not is_of_points(block):
            shape = (len(features), block.columns, 1)
        values = features[:, columns].reshape(shape)
        absent = absent_points(values, block, markers)
        if absent.any():
            gone = absent.all(axis=1)
            presence[:, index] = ~gone
            values[gone] = 0  # a view of the features
            if absent[~gone].any():
                fill_points(values, absent, _coordinates(block), _home(block, layout))
        _refuse_nan(features[:, columns], block)
        seen.append((~absent).sum(axis=0))
    return Detected(presence, np.concatenate(seen))


def is_of_points(block: Block) -> bool:
    """Whether its columns are coordinates of points; else each column is a point of its own."""
    return bool(block.coordinates)


def absent_points(values: np.ndarray, block: Block, markers: Sequence[Marker]) -> np.ndarray:
    """[T, P] bool: which points of [T, P, axes] values are absent, by one of the markers."""
    absent = np.zeros(values.shape[:2], bool)
    # Zeros last: they are judged by the places of points, which others may say are none.
    for marker in sorted(markers, key=lambda marker: marker.kind == "zeros"):
        absent = absent | _marked(values, block, marker, absent)
    return absent


def _marked(values: np.ndarray, block: Block, marker: Marker, known: np.ndarray) -> np.ndarray:
    """[T, P] bool: which points a marker says are absent; `known` ones are by other markers.

    Columns without a meaning may be 0 in themselves: there zeros mark only a frame of zeros.
    """
    axes = _coordinates(block)
    own = values if len(axes) == values.shape[-1] else values[..., axes]  # without a copy
    if marker.kind == "nan":
        return np.isnan(own).any(axis=-1)
    if marker.kind == "value":
        return (own == np.float32(marker.number)).all(axis=-1)
    if marker.kind == "confidence":
        if "confidence" not in block.axes:
            raise ValueError(
                f"block {block.name} has no axis `confidence`, by which its absence is to be known"
            )
        return ~(values[..., block.axes.index("confidence")] >= marker.number)
    if marker.kind == "none":
        return np.zeros(values.shape[:2], bool)
    if not is_of_points(block):
        gone = ~(values != 0).any(axis=(1, 2))
        return np.repeat(gone[:, None], values.shape[1], axis=1)
    shown = own != 0
    absent = ~np.logical_or.reduce([shown[..., axis] for axis in range(shown.shape[-1])])
    if known.any():
        values = np.where(known[..., None], 0, values)
        own, absent = values[..., axes], absent | known
    around_zero = _around_zero(own, absent, block)
    if not around_zero.any():
        return absent
    gone = absent & ~(values != 0).any(axis=(1, 2))[:, None]
    return np.where(around_zero, gone, absent)


def _around_zero(own: np.ndarray, absent: np.ndarray, block: Block) -> np.ndarray:
    """[P] bool: points that are the zero from which the others of their block are measured.

    Such a point is 0 in every frame, and others lie on all sides of it. In a picture, 0 is a
    corner: no point is left of it or above it.
    """
    is_shown = ~absent.all(axis=1)
    never = absent[is_shown].all(axis=0)
    if not is_shown.any() or not never.any():
        return np.zeros_like(never)
    axes = [block.coordinates.index(a) for a in ("x", "y") if a in block.coordinates]
    plane = own[is_shown][..., axes]
    with np.errstate(invalid="ignore"):
        inside = (plane.min(axis=(0, 1)) < 0) & (plane.max(axis=(0, 1)) > 0)
    return never & bool(axes) & inside.all()


def _coordinates(block: Block) -> list[int]:
    """The axes that say where a point is; of columns without a meaning, the only one."""
    return [block.axes.index(axis) for axis in block.coordinates] or [0]


def _home(block: Block, layout: Layout) -> list[int]:
    """The block's points that are the origin of the layout, where it has all of them."""
    references = [reference.partition(".") for reference in layout.origin]
    if any(name != block.name for name, _, _ in references):
        return []
    return [block.points.index(point) for _, _, point in references]


def _refuse_nan(values: np.ndarray, block: Block) -> None:
    if np.isnan(values).any():
        frame, column = (int(i) for i in np.argwhere(np.isnan(values))[0])
        raise ValueError(
            f"block {block.name} has NaN, the first in frame {frame}, column {column} of the "
            "block; repair or leave out this sequence, or, where NaN marks what was not detected, "
            "use --missing nan"
        )


def nonzero_presence(features: np.ndarray, layout: Layout) -> np.ndarray:
    """[T, blocks] bool: which blocks of [T, D] features have a value other than 0."""
    present = [(features[:, columns] != 0).any(axis=1) for columns in layout.slices.values()]
    return np.stack(present, axis=1)
