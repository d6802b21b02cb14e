"""Brings x, y and z to one unit, the frame's height, where the size of the frame is known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from slr_accel.importers.listing import Problems
from slr_accel.layouts.layout import Layout

PIXELS = 5.0
"""Coordinates this far from 0, in the median, are no fractions of the frame."""
MOST_PIXELS = 100_000


def parse_frame_size(text: str) -> tuple[float, float]:
    """(width, height) of `1280x720`. Raises ValueError where it is something else."""
    found = re.fullmatch(r"\s*(\d+)\s*[xX\u00d7,; ]\s*(\d+)\s*", text)
    if found:
        width, height = map(int, found.groups())
        if 0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS:
            return float(width), float(height)
    raise ValueError(f"{text!r} is no frame size; give WIDTHxHEIGHT in pixels, as 1280x720")


def frame_size_of_row(where: str, value: Any, problems: Problems) -> tuple[float, float] | None:
    """The size in an index' cell; None where there is none. What is wrong goes to `problems`."""
    if value is None:
        return None
    if isinstance(value, list):
        value = "x".join(map(str, value))
    with suppress(ValueError):
        return parse_frame_size(str(value))
    problems.add(where, f"`frame_size` is {value!r}; give WIDTHxHEIGHT in pixels, as 1280x720")
    return None


def are_pixels(samples: Iterable[np.ndarray], layout: Layout) -> bool:
    """Whether the coordinates x and y of some arrays [T, D] are pixels, not fractions.

    0, NaN and -1, which may mark absence, do not count.
    """
    columns = coordinate_columns(layout, ("x", "y"))
    found = [np.abs(array[:, columns]).ravel() for array in samples]
    sizes = np.concatenate([np.zeros(0), *found])
    sizes = sizes[np.isfinite(sizes) & (sizes != 0) & (sizes != 1)]
    return bool(len(sizes)) and float(np.median(sizes)) > PIXELS


def to_heights(
    values: np.ndarray, layout: Layout, size: tuple[float, float], *, pixels: bool
) -> None:
    """Brings the coordinates of [T, D] to units of the frame's height, in place.

    Args:
        size: width and height of the frame, in pixels.
        pixels: the coordinates are in pixels; else x is in widths, y in heights and z, as
            MediaPipe has it, in widths.
    """
    width, height = size
    factors = dict.fromkeys("xyz", 1 / height)
    if not pixels:
        factors = {"x": width / height, "y": 1.0, "z": width / height}
    axes = [axis for block in layout.blocks for _ in block.points for axis in block.axes]
    values *= np.array([factors.get(axis, 1.0) for axis in axes], np.float32)


def coordinate_columns(layout: Layout, axes: tuple[str, ...]) -> list[int]:
    """The columns of some axes of all points that have them."""
    return [
        column
        for block in layout.blocks
        for point in block.points
        for column in layout.point_columns(
            f"{block.name}.{point}", tuple(axis for axis in axes if axis in block.axes)
        )
    ]
