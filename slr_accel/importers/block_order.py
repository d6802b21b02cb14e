"""In which order an array's columns hold the blocks of a body, and whether that can be true.

Extractors join pose, hands and face in different orders, all of the same width. Read in a wrong
one, a hand's columns hold points of the face, and nothing fails but learning. So the order is
declared, and checked on the data: a hand is where the pose has its wrist, and a face around the
pose's nose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations

import numpy as np

from slr_accel.layouts.layout import Layout

SAME_PLACE = {
    "left_hand": ("left_hand.wrist", "pose.left_wrist"),
    "right_hand": ("right_hand.wrist", "pose.right_wrist"),
    "face": ("face.nose", "pose.nose"),
}
"""Points of two blocks that are one point of the body."""
SHOULDERS = ("pose.left_shoulder", "pose.right_shoulder")
FAR = 0.5
"""Shoulder widths. In real landmarks the two are 0.02 to 0.1 apart, and the wrong wrist 1 to 3."""
NEAR = 0.2
"""Shoulder widths: nearer than blocks come to each other by chance, in one of many orders."""
MOST_BLOCKS = 6
"""Of which all orders are tried."""


def in_order(layout: Layout, names: Iterable[str]) -> Layout:
    """The layout with its blocks in this order. Raises ValueError unless each is named once."""
    names = tuple(names)
    if sorted(names) != sorted(layout.slices):
        raise ValueError(
            f"--block_order is {','.join(names)!r}; name each of {','.join(layout.slices)} once, "
            "in the order of the columns, with commas between"
        )
    return replace(layout, blocks=tuple(layout.block(name) for name in names))


def reordered(values: np.ndarray, stored: Layout, wanted: Layout) -> np.ndarray:
    """[T, D] values in the columns of `stored` -> the same blocks in the columns of `wanted`."""
    return np.concatenate([values[:, stored.slices[b.name]] for b in wanted.blocks], axis=1)


def finite(values: np.ndarray) -> np.ndarray:
    """In float64, with 0, which stands for absent, where a value is NaN or infinite."""
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def can_be_compared(layout: Layout) -> bool:
    """Whether the layout has shoulders, and a hand or a face to look for at the pose."""
    shoulders = all(layout.has_point(name, ("x", "y")) for name in SHOULDERS)
    return shoulders and bool(_shared_points(layout))


def _shared_points(layout: Layout) -> dict[str, tuple[str, str]]:
    """Those of SAME_PLACE that the layout has."""
    return {
        name: points
        for name, points in SAME_PLACE.items()
        if all(layout.has_point(point, ("x", "y")) for point in points)
    }


def distances(values: np.ndarray, stored: Layout) -> dict[str, float]:
    """{block: how far it is from where the pose has it}, medians in shoulder widths.

    Args:
        values: [T, D], 0 or NaN where a block is absent. What is always absent is left out.
        stored: a layout that `can_be_compared`.
    """

    def place(reference: str) -> np.ndarray:
        return finite(values[:, stored.point_columns(reference, ("x", "y"))])

    width = np.linalg.norm(place(SHOULDERS[0]) - place(SHOULDERS[1]), axis=1)
    result = {}
    for name, (point, of_pose) in _shared_points(stored).items():
        seen = (width > 0) & place(point).any(axis=1) & place(of_pose).any(axis=1)
        if seen.any():
            apart = np.linalg.norm(place(point) - place(of_pose), axis=1)[seen]
            result[name] = float(np.median(apart / width[seen]))
    return result


def farthest(values: np.ndarray, stored: Layout) -> float:
    """The largest of the distances; infinite where nothing can be compared."""
    return max(distances(values, stored).values(), default=np.inf)


def best_order(values: np.ndarray, declared: Layout) -> Layout:
    """The order in which the blocks meet best; the declared one unless another is better."""
    if not np.isfinite(farthest(values, declared)):
        return declared
    orders = [in_order(declared, names) for names in permutations(declared.slices)]
    return min([declared, *orders], key=lambda order: farthest(values, order))


def true_order(values: np.ndarray, declared: Layout) -> Layout | None:
    """Another order, where the blocks meet in that and not in the declared one; else None."""
    if farthest(values, declared) <= FAR or len(declared.blocks) > MOST_BLOCKS:
        return None
    best = best_order(values, declared)
    return best if farthest(values, best) <= NEAR else None


def explain_order(values: np.ndarray, declared: Layout, fitting: Layout) -> str:
    """Says why the declared order is wrong and the fitting one right."""
    return (
        f"the blocks are not in the order {','.join(declared.slices)}: that puts "
        f"{_describe(distances(values, declared))} from where the pose has them. Another "
        f"order fits ({_describe(distances(values, fitting))})"
    )


def _describe(found: dict[str, float]) -> str:
    return (
        ", ".join(f"{name} {distance:.2f}" for name, distance in found.items()) + " shoulder widths"
    )
