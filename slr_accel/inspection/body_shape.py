"""Checks on the shape of bodies: whether pictures of several forms make one body several."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.findings import Finding
from slr_accel.inspection.row_checks import counted, examples
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.units import FRACTION, UNKNOWN

BODY = ("pose.nose", "pose.left_shoulder", "pose.right_shoulder")
MOST_SPREAD = 2.0
"""Largest usual ratio between the shapes of bodies, without the extreme twentieths: people and
cameras differ by 1.5; the same people in 16:9 and 9:16 by 3.2."""
FEWEST = 5
"""Sequences that show it before it is judged."""
OTHER_FORM = 1.05
"""Ratio of the widest picture's width to height, and the narrowest one's, from which they differ
in form."""


def shape_of(layout: Layout, features: np.ndarray, presence: np.ndarray) -> float:
    """Height of the nose above the shoulders, in shoulder widths, in the median; or NaN."""
    if not all(layout.has_point(point, ("x", "y")) for point in BODY):
        return np.nan
    shown = features[presence[:, layout.block_index("pose")]].astype(np.float64)
    nose, left, right = (shown[:, layout.point_columns(point, ("x", "y"))] for point in BODY)
    width = np.abs(left[:, 0] - right[:, 0])
    height = (left + right)[:, 1] / 2 - nose[:, 1]
    sound = (width > 0) & (height > 0)
    return float(np.median(height[sound] / width[sound])) if sound.any() else np.nan


def body_findings(corpus: Corpus, shapes: np.ndarray) -> Iterator[Finding]:
    """Yields what is to know of frame sizes, of the shapes [N] of bodies, and of unseen points."""
    units, sizes = corpus.layout.units, corpus.info.source.get("frame_sizes", {})
    if len(sizes) > 1:
        yield _frame_sizes(sizes, units)
    known = shapes[np.isfinite(shapes)]
    if units in (FRACTION, UNKNOWN) and len(sizes) < 2 and len(known) >= FEWEST:
        low, middle, high = np.quantile(known, (0.05, 0.5, 0.95))
        if high > MOST_SPREAD * low:
            yield Finding(
                "warning",
                "squeezed_bodies",
                f"Bodies have very different shapes: the nose is {low:.2f} to {high:.2f} shoulder "
                f"widths above the shoulders, {middle:.2f} in the median. Pictures of several "
                "forms (landscape, portrait) make them so where x is divided by the width and y by "
                "the height.",
                "Prepare with the size of each picture: --frame_size, or a column `frame_size`.",
            )
    unseen = corpus.info.source.get("never_seen", [])
    if unseen:
        yield Finding(
            "note",
            "never_seen",
            f"{counted(unseen, 'point')} never seen in any frame: {examples(unseen)}. Each is "
            "stored in a place that tells nothing, and nothing can be learned from it.",
        )


def _frame_sizes(sizes: dict[str, int], units: str) -> Finding:
    shown = [f"{size} ({count})" for size, count in sorted(sizes.items(), key=lambda i: -i[1])]
    found = f"The pictures have {len(sizes)} sizes: {examples(shown)}."
    if units == FRACTION:
        return Finding(
            "warning",
            "frame_sizes",
            f"{found} x is divided by the width and y by the height: one body has several shapes.",
            "Prepare with the sizes (--frame_size, or a column `frame_size`).",
        )
    forms = [float(width) / float(height) for width, height in (s.split("x") for s in sizes)]
    return Finding(
        "warning" if max(forms) > OTHER_FORM * min(forms) else "note",
        "frame_sizes",
        f"{found} x and y are in units of {units}, so that a body has one shape in all of them.",
        "See that train has each form that is to be recognised.",
    )
