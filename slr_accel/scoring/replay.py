"""Packs the landmarks of a sequence for a page that replays them: a byte a coordinate."""

from __future__ import annotations

from base64 import b64encode
from itertools import combinations
from typing import Any

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.layouts.layout import Block, Layout
from slr_accel.layouts.skeleton import BONES

MOST_POINTS = 60
"""Of a block that is drawn: a face mesh has 468, as much as the rest of a page."""
MOST_FRAMES = 400
"""Of a clip; longer ones are thinned out."""
ABSENT = 255
OUTLIERS = 0.2
"""Percent of the coordinates at either end that may lie outside the picture."""
LEGS = ("knee", "ankle", "heel", "foot")
"""Points with these names do not widen the picture: most videos show no legs, and detectors guess
where they are."""


def drawn_blocks(layout: Layout) -> list[Block]:
    """The blocks that are drawn; none where the layout has no points in the plane."""
    return [b for b in layout.blocks if b.is_planar and len(b.points) <= MOST_POINTS]


def skeleton(layout: Layout) -> dict[str, Any]:
    """What all clips of a layout share: `names` of the blocks, the block of each point, bones."""
    blocks = drawn_blocks(layout)
    points: list[int] = []
    bones: list[list[int]] = []
    for number, block in enumerate(blocks):
        first = len(points)
        points += [number] * len(block.points)
        bones += [
            [first + i, first + j]
            for (i, a), (j, b) in combinations(enumerate(block.points), 2)
            if frozenset((a, b)) in BONES
        ]
    return {"names": [block.name for block in blocks], "points": points, "bones": bones}


def clip(corpus: Corpus, row: int, rate: float, start: int = 0, end: int | None = None) -> Any:
    """Frames [start, end) of a row, as JSON has them; None where nothing is to be drawn.

    Returns:
        `rate` (frames per second), `frames`, `aspect` (width over height) and `data`: base64 of x
        and y of every point, frame by frame, as shares of width and height times 254; 255 where a
        point is absent or outside the picture.
    """
    layout, frames = corpus.layout, corpus.features(row)[start:end]
    skipped = -(-len(frames) // MOST_FRAMES)
    frames = frames[:: max(skipped, 1)].astype(np.float32)
    there = corpus.presence(row)[start:end][:: max(skipped, 1)]
    parts = [_points(layout, block, frames, there) for block in drawn_blocks(layout)]
    if not parts or not len(frames):
        return None
    points = np.concatenate(parts, axis=1)  # (T, P, 2)
    names = [name for block in drawn_blocks(layout) for name in block.points]
    framing = points[:, [not any(leg in name for leg in LEGS) for name in names]]
    known = framing[np.isfinite(framing).all(axis=2)]
    if not len(known):
        return None
    low, high = np.percentile(known, [OUTLIERS, 100 - OUTLIERS], axis=0)
    size = np.maximum(high - low, 1e-6)
    size = np.maximum(size, 0.4 * size.max())  # a movement along a line gets a picture as well
    low = (low + high) / 2 - 0.54 * size
    shares = (points - low) / (1.08 * size)
    inside = ((shares >= 0) & (shares <= 1)).all(axis=2)  # False of NaN
    coded = np.full(points.shape, ABSENT, np.uint8)
    coded[inside] = (shares[inside] * (ABSENT - 1)).round().astype(np.uint8)
    return {
        "rate": rate / max(skipped, 1),
        "frames": len(frames),
        "aspect": round(float(size[0] / size[1]), 3),
        "data": b64encode(coded.tobytes()).decode("ascii"),
    }


def _points(layout: Layout, block: Block, frames: np.ndarray, there: np.ndarray) -> np.ndarray:
    """[T, points, 2] x and y of a block, NaN where absent."""
    values = frames[:, layout.slices[block.name]].reshape(len(frames), -1, len(block.axes))
    found = values[:, :, [block.axes.index("x"), block.axes.index("y")]]
    absent = ~np.repeat(there[:, layout.block_index(block.name), None], found.shape[1], axis=1)
    if "confidence" in block.axes:
        absent |= values[:, :, block.axes.index("confidence")] <= 0
    return np.where(absent[:, :, None], np.nan, found)
