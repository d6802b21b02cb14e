"""Joins recorded signs to one sequence: bodies at one place and size, with transitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from slr_accel.layouts.layout import Layout

TRANSITION_SPEED = 3.0
"""Mean speed in shoulder widths a second: about 1.1 m/s, a little faster than signs."""
LONGEST_TRANSITION = 2.0
"""In seconds: an outlier of a tracker at a clip's end must not make a long one."""


@dataclass(frozen=True)
class Clip:
    """A recorded sign. T frames, D columns, B blocks."""

    features: np.ndarray
    """[T, D] float32; 0 where a block is absent."""
    presence: np.ndarray
    """[T, B] bool"""


@dataclass(frozen=True)
class _Body:
    origin: np.ndarray
    """[2] x and y of the layout's origin, the mean over a clip."""
    scale: float
    """Distance of the layout's scale points, likewise."""


class Joiner:
    """Joins clips of one layout.

    Where the layout names origin and scale points, each clip is shifted and scaled as a whole to
    the average place and size of all bodies. A transition is as long as the wrist that moves
    farthest needs at `TRANSITION_SPEED`, at most `LONGEST_TRANSITION`; every value moves by
    minimum jerk (Flash and Hogan, 1985). A block is present in it if it is present on both sides.

    Without these points (`has_body` is False), or where no clip of a sentence shows the body, there
    is no common unit of length: clips are joined without transitions.
    """

    def __init__(self, layout: Layout, frames_per_second: float) -> None:
        self._layout = layout
        self._fps = frames_per_second
        blocks = {reference.partition(".")[0] for reference in (*layout.origin, *layout.scale)}
        self.has_body = bool(layout.origin and layout.scale) and all(
            layout.block(name).is_planar for name in blocks
        )
        self._body_blocks = [layout.block_index(name) for name in sorted(blocks)]
        self._column_blocks = np.repeat(
            np.arange(len(layout.blocks)), [block.columns for block in layout.blocks]
        )
        self._axes = np.array(
            [axis for block in layout.blocks for _ in block.points for axis in block.axes]
        )
        self._reaching = _reaching_points(layout)

    def join(self, clips: list[Clip]) -> tuple[Clip, list[tuple[int, int]]]:
        """Joins clips to one; returns it, and the frames [start, end) of each in it."""
        bodies = [self._body(clip) for clip in clips]
        seen = [body for body in bodies if body]
        if not seen:
            return _concatenated(clips), _spans(clips, range(len(clips)))
        common = _Body(
            np.mean([body.origin for body in seen], axis=0),
            float(np.mean([body.scale for body in seen])),
        )
        moved = [
            self._moved(clip, body, common) if body else clip
            for clip, body in zip(clips, bodies, strict=True)
        ]
        pieces = [moved[0]]
        for before, after in pairwise(moved):
            pieces += [self._transition(before, after, common.scale), after]
        return _concatenated(pieces), _spans(pieces, range(0, len(pieces), 2))

    def _body(self, clip: Clip) -> _Body | None:
        """The body of a clip; None where the layout has none, or it was never seen."""
        if not self.has_body:
            return None
        frames = clip.features[clip.presence[:, self._body_blocks].all(axis=1)]
        if len(frames) == 0:
            return None
        origin = np.mean([self._point(frames, name) for name in self._layout.origin], axis=(0, 1))
        one, other = (self._point(frames, name) for name in self._layout.scale)
        scale = float(np.linalg.norm(one - other, axis=1).mean())
        return _Body(origin, scale) if scale > 0 else None

    def _point(self, frames: np.ndarray, reference: str) -> np.ndarray:
        """[T, 2] x and y of BLOCK.POINT."""
        return frames[:, self._layout.point_columns(reference, ("x", "y"))]

    def _moved(self, clip: Clip, body: _Body, common: _Body) -> Clip:
        features = clip.features.copy()
        factor = common.scale / body.scale
        for axis, here, there in zip("xy", body.origin, common.origin, strict=True):
            columns = self._axes == axis
            features[:, columns] = (features[:, columns] - here) * factor + there
        # Depth is relative to a point of the body already.
        features[:, self._axes == "z"] *= factor
        features[~clip.presence[:, self._column_blocks]] = 0
        return Clip(features, clip.presence)

    def _transition(self, before: Clip, after: Clip, unit: float) -> Clip:
        """The frames between the last one of a clip and the first one of the next."""
        start, end = before.features[-1], after.features[0]
        present = before.presence[-1] & after.presence[0]
        ways = [
            np.linalg.norm(end[columns] - start[columns])
            for block, columns in self._reaching
            if present[block]
        ]
        seconds = max(ways, default=0.0) / unit / TRANSITION_SPEED
        steps = max(1, round(min(seconds, LONGEST_TRANSITION) * self._fps))
        phase = np.arange(1, steps, dtype=np.float32)[:, None] / steps
        features = start + minimum_jerk(phase) * (end - start)
        features[:, ~present[self._column_blocks]] = 0
        return Clip(features, np.broadcast_to(present, (steps - 1, len(present))))


def minimum_jerk(phase: np.ndarray) -> np.ndarray:
    """The share of its way that a reaching hand has gone at this share of the time, 0 to 1
    (minimum jerk; Flash and Hogan, 1985)."""
    return phase**3 * (10 - 15 * phase + 6 * phase**2)


def _reaching_points(layout: Layout) -> list[tuple[int, list[int]]]:
    """(block, columns of x and y) of the wrists; of all points where the layout names no wrist."""
    points = [
        (block.name, point) for block in layout.blocks if block.is_planar for point in block.points
    ]
    wrists = [(block, point) for block, point in points if "wrist" in point]
    return [
        (layout.block_index(block), layout.point_columns(f"{block}.{point}", ("x", "y")))
        for block, point in wrists or points
    ]


def _concatenated(clips: list[Clip]) -> Clip:
    return Clip(
        np.concatenate([clip.features for clip in clips]),
        np.concatenate([clip.presence for clip in clips]),
    )


def _spans(pieces: list[Clip], numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Frames [start, end) of the pieces of these numbers."""
    edges = np.cumsum([0, *(len(piece.features) for piece in pieces)]).tolist()
    return [(edges[number], edges[number + 1]) for number in numbers]
