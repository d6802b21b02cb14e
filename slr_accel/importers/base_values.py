"""Makes base values of an array in a layout's columns: absent points filled, coordinates in units.

An array that is transcribed takes the same road as one that `prepare manifest` reads.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from slr_accel.importers.absence import Detected, fill_absent
from slr_accel.layouts.layout import Layout


def to_base_values(
    features: np.ndarray,
    layout: Layout,
    missing: Mapping[str, str],
    frame_size: tuple[float, float] | None,
) -> Detected:
    """Fills absent points and divides coordinates by the frame's size, in place.

    Args:
        features: [T, D] float32 of one recording.
        missing: how each block marks absent points, as in `fill_absent`.
        frame_size: width and height in pixels; None where coordinates are to stay.

    Raises:
        ValueError: as `fill_absent`.
    """
    detected = fill_absent(features, layout, missing)
    features /= _divisors(layout, frame_size)
    return detected


def _divisors(layout: Layout, frame_size: tuple[float, float] | None) -> np.ndarray:
    """[D] float32: the frame's size in the columns of coordinates, 1 elsewhere."""
    width, height = frame_size or (1.0, 1.0)
    # MediaPipe has z in units of the width.
    size = {"x": width, "y": height, "z": width}
    axes = [axis for block in layout.blocks for _ in block.points for axis in block.axes]
    return np.array([size.get(axis, 1.0) for axis in axes], np.float32)
