"""Names a group of columns that was computed from positions: velocity, acceleration, a copy, ..."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from slr_accel.importers.block_order import finite
from slr_accel.layouts.layout import Layout

EXPLAINED = 0.95
"""Share of a group's energy that a function must explain. The right one explains all but the
rounding of small differences to float16."""
DIFFERENCES = {
    "velocity (from the frame before)": {-1: -1, 0: 1},
    "velocity (to the frame after)": {0: -1, 1: 1},
    "velocity (across the frames around)": {-1: -1, 1: 1},
    "acceleration (from two frames before)": {-2: 1, -1: -2, 0: 1},
    "acceleration (across the frames around)": {-1: 1, 0: -2, 1: 1},
    "acceleration (velocity across, twice)": {-2: 1, 0: -2, 2: 1},
}
"""{name: {frame, relative to this one: weight}}, up to a factor such as the frame rate."""
REACH = 2
"""Frames that a difference reaches before and after."""


def name_group(group: list[np.ndarray], positions: list[np.ndarray], stored: Layout) -> str | None:
    """Names the function of the positions that a group of columns is; None where none fits.

    Args:
        group, positions: of the same sequences, [T, D] each, in the columns of `stored`; 0 or NaN
            where a block is absent.
    """
    pairs = list(zip(group, positions, strict=True))
    if all(np.array_equal(part, base, equal_nan=True) for part, base in pairs):
        return "copy of the positions"
    pairs = [(finite(part), finite(base)) for part, base in pairs]
    explained = {
        name: _explained(_difference(part, base, weights) for part, base in pairs)
        for name, weights in DIFFERENCES.items()
    }
    explained["positions from an origin of each block's own"] = _explained(
        _centred(part, base, stored, name) for part, base in pairs for name in stored.slices
    )
    best = max(explained, key=lambda name: explained[name])
    return best if explained[best] >= EXPLAINED else None


def _explained(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """The share, 0 to 1, of the found values' energy that a multiple of the expected ones has."""
    product = energy_found = energy_expected = 0.0
    for found, expected in pairs:
        product += float(np.vdot(found, expected))
        energy_found += float(np.vdot(found, found))
        energy_expected += float(np.vdot(expected, expected))
    both = energy_found * energy_expected
    return product**2 / both if both else 0.0


def _difference(
    part: np.ndarray, base: np.ndarray, weights: dict[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Values found and expected of one sequence, where all frames of the difference have a value.

    Extractors differ in what they write where a block appears or disappears.
    """
    frames = np.arange(REACH, max(len(base) - REACH, REACH))
    used = {shift: base[frames + shift] for shift in weights}
    seen = np.all([values != 0 for values in used.values()], axis=0)
    expected = sum(weight * used[shift] for shift, weight in weights.items())
    return part[frames][seen], np.asarray(expected)[seen]


def _centred(
    part: np.ndarray, base: np.ndarray, stored: Layout, block: str
) -> tuple[np.ndarray, np.ndarray]:
    """Values found and expected of one block, both relative to the mean of its points."""
    columns, axes = stored.slices[block], len(stored.block(block).axes)
    pair = [values[:, columns].reshape(len(values), -1, axes) for values in (part, base)]
    seen = pair[0].any(axis=(1, 2)) & pair[1].any(axis=(1, 2))
    found, expected = (points[seen] - points[seen].mean(axis=1, keepdims=True) for points in pair)
    return found, expected
