"""Finds the base values in arrays of MediaPipe Holistic of 1,629 or 6,516 values a frame.

The 6,516 are four groups of 1,629. One is positions; the others (velocity, acceleration, relative
positions, or a copy) follow from it and are left out, since training computes them. The data shows
which group is which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from slr_accel.importers.arrays import as_float32
from slr_accel.importers.block_order import (
    FAR,
    SAME_PLACE,
    best_order,
    distances,
    explain_order,
    farthest,
    reordered,
)
from slr_accel.importers.group_names import name_group
from slr_accel.layouts.face_mesh import IRIS_POINTS
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.named_layouts import mediapipe_holistic

LAYOUT = mediapipe_holistic()
BLOCK_ORDER = ("pose", "face", "left_hand", "right_hand")
"""The order in which most extractors join MediaPipe's results."""
USUAL_ORDER = ",".join(BLOCK_ORDER)
GROUP_COUNTS = (1, 4)
WIDTHS = tuple(count * LAYOUT.columns for count in GROUP_COUNTS)
PIXELS = 5.0
"""Shoulders this far from 0 are no fractions of the frame, nor in shoulder widths."""


@dataclass(frozen=True)
class Arrangement:
    """Describes where the arrays of a source have the base values."""

    stored: Layout
    """The blocks in the order of the arrays' columns."""
    width: int
    """Values a frame."""
    base: int
    """The group of columns that holds positions, from 0."""
    groups: tuple[str, ...]
    """The name of each group."""
    distances: dict[str, float]
    """The figures that the order was checked with; see `block_order.distances`."""

    def base_values(self, array: np.ndarray, name: str) -> np.ndarray:
        """Copies [T, width] to [T, 1629] float32 in the columns of `mediapipe_holistic`.

        Raises:
            ValueError: the array has another width; `name` is for the message.
        """
        if array.shape[1] not in WIDTHS:
            raise ValueError(f"{name} {explain_width(array.shape[1])}")
        if array.shape[1] != self.width:
            raise ValueError(
                f"{name} has {array.shape[1]} values a frame, but others have {self.width}; "
                "bring all to the same form"
            )
        values = group_of(array, self.base)
        return reordered(as_float32(values, name), self.stored, LAYOUT)

    def notes(self) -> list[str]:
        """Notes for the user."""
        notes = []
        if len(self.groups) > 1:
            groups = ", ".join(f"{i} {name}" for i, name in enumerate(self.groups, 1))
            notes.append(
                f"its {self.width:,} values a frame are groups of {LAYOUT.columns:,}: {groups}; "
                f"group {self.base + 1} is kept, and training computes what it needs from it"
            )
        unseen = [name for name in SAME_PLACE if name not in self.distances]
        if unseen:
            notes.append(
                f"{' and '.join(unseen)} absent from all arrays that were examined: the order of "
                "these columns could not be checked"
            )
        return notes

    def to_json(self) -> dict[str, Any]:
        return {
            "values_a_frame": self.width,
            "block_order": list(self.stored.slices),
            "distance_in_shoulder_widths": {k: round(v, 3) for k, v in self.distances.items()},
            "groups": list(self.groups),
        }


def group_of(array: np.ndarray, number: int) -> np.ndarray:
    return array[:, number * LAYOUT.columns : (number + 1) * LAYOUT.columns]


def explain_width(width: int) -> str:
    """Words for a message: why arrays with this many values a frame are refused."""
    text = f"has {width} values a frame, not {' or '.join(map(str, WIDTHS))}"
    face, pose = LAYOUT.block("face"), LAYOUT.block("pose")
    iris, visibility = IRIS_POINTS * len(face.axes), len(pose.points)
    refined = (
        f"its face is refined, {len(face.points) + IRIS_POINTS} points; remove the last "
        f"{IRIS_POINTS}, which are the irises"
    )
    visible = "its pose has the visibility beside x, y and z"
    reasons = {
        iris: refined,
        visibility: f"{visible}; remove it, or keep it with `prepare manifest` and a layout.json "
        "whose pose has a confidence axis",
        iris + visibility: f"{visible}, and {refined}, and the visibility",
    }
    for groups in GROUP_COUNTS:
        reason = reasons.get(width / groups - LAYOUT.columns)  # type: ignore[call-overload]
        if reason:
            return f"{text}: {reason}"
    return f"{text} (MediaPipe Holistic, {LAYOUT.signature}); `prepare manifest` reads others"


def find_arrangement(samples: list[np.ndarray], declared: Layout) -> Arrangement:
    """Finds the positions in some arrays, and checks the declared order of their blocks.

    Args:
        samples: [T, width] each, 0 or NaN where a block is absent; at least one.
        declared: the blocks in the order of the columns.

    Raises:
        ValueError: says why the arrays cannot be that, and which order of blocks fits them.
    """
    widths = [array.shape[1] for array in samples if array.shape[1] in WIDTHS]
    if not widths:
        raise ValueError("an array " + explain_width(samples[0].shape[1]))
    width = max(widths, key=widths.count)
    samples = [array for array in samples if array.shape[1] == width]
    groups = [
        [group_of(array, number) for array in samples] for number in range(width // LAYOUT.columns)
    ]
    orders = [best_order(np.concatenate(group), declared) for group in groups]
    misfits = [farthest(np.concatenate(g), o) for g, o in zip(groups, orders, strict=True)]
    base = misfits.index(min(misfits))
    if misfits[base] <= FAR:
        # Positions relative to the nose fit, too, but without a face: the base has most distances.
        seen = [len(distances(np.concatenate(g), o)) for g, o in zip(groups, orders, strict=True)]
        fitting = [n for n, misfit in enumerate(misfits) if misfit <= FAR]
        base = max(fitting, key=lambda n: (seen[n], -n))
    if misfits[base] > FAR:
        raise ValueError(_unlike_positions(misfits))
    positions = np.concatenate(groups[base])
    if orders[base] != declared:
        raise ValueError(
            f"{explain_order(positions, declared, orders[base])}: "
            f"--block_order {','.join(orders[base].slices)}"
        )
    _refuse_pixels(positions, declared)
    return Arrangement(
        stored=declared,
        width=width,
        base=base,
        groups=tuple(
            "positions"
            if number == base
            else name_group(group, groups[base], declared) or "not recognised"
            for number, group in enumerate(groups)
        ),
        distances=distances(positions, declared),
    )


def _unlike_positions(misfits: list[float]) -> str:
    nearest = min(misfits)
    if np.isfinite(nearest):
        why = (
            f"in no order of blocks do hands and face come nearer than {nearest:.2g} shoulder "
            "widths to where the pose has them"
        )
    else:
        why = "all wrists of hands and noses of faces are at 0 where the pose is present"
    what = "the values are" if len(misfits) == 1 else f"all of the {len(misfits)} groups are"
    return (
        f"{what} not positions of MediaPipe Holistic: {why}. Needed are x, y, z of "
        f"{LAYOUT.signature}, not standardised by column"
    )


def _refuse_pixels(positions: np.ndarray, stored: Layout) -> None:
    columns = [c for name in stored.scale for c in stored.point_columns(name, ("x", "y"))]
    shoulders = positions[:, columns]
    size = float(np.nanmedian(np.abs(shoulders[shoulders.any(axis=1)])))
    if size > PIXELS:
        raise ValueError(
            f"the shoulders have coordinates of {size:.0f} in the median, as in pixels; divide "
            "x and z by the frame's width and y by its height"
        )
