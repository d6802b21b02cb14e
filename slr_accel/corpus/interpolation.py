"""Interpolates base values in time, block by block."""

from __future__ import annotations

import numpy as np

from slr_accel.layouts.layout import Layout


def interpolate(
    times: np.ndarray,
    features: np.ndarray,
    presence: np.ndarray,
    wanted: np.ndarray,
    layout: Layout,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns features [W, D] float32 and presence [W, blocks] at other times.

    A block is interpolated linearly between two frames that have it; where only one has it, the
    nearer frame is copied.

    Args:
        times: [T] ascending.
        features: [T, D] in the columns of the layout.
        presence: [T, blocks] bool.
        wanted: [W] from the first to the last of `times`.
    """
    after = np.searchsorted(times, wanted).clip(1, max(len(times) - 1, 1))
    before = after - 1
    after = after.clip(max=len(times) - 1)
    length = np.maximum(times[after] - times[before], np.finfo(float).tiny)
    weight = ((wanted - times[before]) / length)[:, None]
    both = presence[before] & presence[after]
    weight = np.where(both, weight, weight > 0.5)  # (times, blocks)
    shown = np.where(weight > 0.5, presence[after], presence[before])
    columns = np.repeat(weight, [block.columns for block in layout.blocks], axis=1)
    earlier, later = features[before].astype(np.float64), features[after].astype(np.float64)
    # In this form what does not move stays exactly where it is.
    return (earlier + columns * (later - earlier)).astype(np.float32), shown
