"""Checks that a sequence shows the points from which and in whose distance positions are measured.

Without them the body would be measured from the corner of the picture in one sequence, and from
its shoulders in the next: nothing would fail but learning.
"""

from __future__ import annotations

import numpy as np

from slr_accel.corpus.sequence import Sequence
from slr_accel.layouts.layout import Layout

CURE = (
    "Check how the source marks absence (--missing), or leave such sequences out (--allow_skips); "
    "a layout.json without `origin` and `scale`, or with points that are always there, takes them"
)
MOST_TOGETHER = 0.1
"""Share of the frames in which the two scale points may be at one place."""


def check_body(sequence: Sequence, layout: Layout, *, by_marker: bool) -> None:
    """Raises ValueError where no frame has the layout's origin, or a scale above 0.

    Args:
        by_marker: the user said how absence is marked, so that zeros may be absent points.
    """
    for what, references in (("origin", layout.origin), ("scale", layout.scale)):
        if references and not _present(sequence, layout, references).any():
            raise ValueError(
                f"the {what} ({' and '.join(references)}), {_use(what)}, is in none of its "
                f"{len(sequence.features)} frames. {CURE}"
            )
    if by_marker and layout.scale:
        together = _distances(sequence, layout) == 0
        if together.mean() > MOST_TOGETHER:
            raise ValueError(
                f"the points of the scale ({' and '.join(layout.scale)}) are at one place in "
                f"{int(together.sum())} of the {len(together)} frames that have them, as where "
                f"zeros mark absence. {CURE}"
            )


def _use(what: str) -> str:
    return "from which positions are measured" if what == "origin" else "the unit of length"


def _present(sequence: Sequence, layout: Layout, references: tuple[str, ...]) -> np.ndarray:
    """[T] bool: frames in which all of these points are present; none where one is never seen."""
    blocks = {reference.partition(".")[0] for reference in references}
    present = sequence.presence[:, [layout.block_index(name) for name in sorted(blocks)]]
    if sequence.seen is not None and any(
        not sequence.seen[layout.point_number(reference)] for reference in references
    ):
        return np.zeros(len(present), bool)
    return np.asarray(present.all(axis=1))


def _distances(sequence: Sequence, layout: Layout) -> np.ndarray:
    """[frames that have both] distance of the two scale points."""
    shown = sequence.features[_present(sequence, layout, layout.scale)]
    one, other = (
        shown[:, layout.point_columns(reference, ("x", "y"))].astype(np.float64)
        for reference in layout.scale
    )
    return np.linalg.norm(one - other, axis=1)
