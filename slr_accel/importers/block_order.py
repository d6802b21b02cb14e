"""Checks on the data in which order the columns of an array hold the blocks of a body.

Extractors join pose, hands and face in different orders of the same width. In a wrong one the
columns of a hand hold points of the face, and nothing fails but learning. So the order is declared,
and checked: a hand must be at its wrist of the pose, and a face at the nose of the pose.
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
"""{block: two points, of it and of the pose, that are one point of the body}"""
SHOULDERS = ("pose.left_shoulder", "pose.right_shoulder")
FAR = 0.5
"""In shoulder widths. Real landmarks are 0.02 to 0.1 apart, and 1 to 3 from the wrong wrist."""
NEAR = 0.2
"""In shoulder widths: blocks in a wrong order are not as near as this by chance."""
MOST_BLOCKS = 6
"""All orders of more blocks would take too long to try."""


def in_order(layout: Layout, names: Iterable[str]) -> Layout:
    """Puts the blocks in this order. Raises ValueError unless each is named once."""
    names = tuple(names)
    if sorted(names) != sorted(layout.slices):
        raise ValueError(
            f"the order of blocks is {','.join(names)!r}; name each of {','.join(layout.slices)} "
            "once, in the order of the columns, with commas between"
        )
    return replace(layout, blocks=tuple(layout.block(name) for name in names))


def reordered(values: np.ndarray, stored: Layout, wanted: Layout) -> np.ndarray:
    """Moves [T, D] values from the columns of `stored` to those of `wanted`."""
    return np.concatenate([values[:, stored.slices[b.name]] for b in wanted.blocks], axis=1)


def finite(values: np.ndarray) -> np.ndarray:
    """Copies to float64, with 0, which marks absence, where a value is NaN or infinite."""
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def can_be_compared(layout: Layout) -> bool:
    """Whether the layout has shoulders, and a hand or a face that the pose has a point of."""
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
    """{block: its median distance from its point of the pose, in shoulder widths}.

    Args:
        values: [T, D], 0 or NaN where a block is absent; one that always is has no distance.
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
    """The order that fits best; the declared one unless another is better."""
    if not np.isfinite(farthest(values, declared)):
        return declared
    orders = [in_order(declared, names) for names in permutations(declared.slices)]
    return min([declared, *orders], key=lambda order: _misfit(values, order))


def _misfit(values: np.ndarray, stored: Layout) -> tuple[int, float]:
    """Sorts orders: of those that are near, first the ones with most distances to tell it by.

    An order that gives a hand to a wrist which is never seen has no distance for it: by the others
    alone it would seem to fit, with the hands swapped.
    """
    found = distances(values, stored)
    misfit = max(found.values(), default=np.inf)
    return (-len(found) if misfit <= NEAR else 0), misfit


def fitting_orders(values: np.ndarray, declared: Layout) -> list[Layout]:
    """The orders that fit best: several where the data cannot tell which hand is which."""
    if len(declared.blocks) > MOST_BLOCKS:
        return []
    orders = [in_order(declared, names) for names in permutations(declared.slices)]
    misfits = [_misfit(values, order) for order in orders]
    best = min(misfits)
    # Orders with the very same distances differ in columns that nothing can be compared with.
    return [o for o, misfit in zip(orders, misfits, strict=True) if misfit == best and best[0] < 0]


def explain_order(values: np.ndarray, declared: Layout, fitting: Layout) -> str:
    """Words for a message: why the declared order is wrong and the fitting one right."""
    return (
        f"the blocks are not in the order {','.join(declared.slices)}: that puts "
        f"{_describe(distances(values, declared))} from where the pose has them. Another "
        f"order fits ({_describe(distances(values, fitting))})"
    )


def _describe(found: dict[str, float]) -> str:
    return (
        ", ".join(f"{name} {distance:.2f}" for name, distance in found.items()) + " shoulder widths"
    )
