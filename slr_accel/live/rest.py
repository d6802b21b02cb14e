"""Notices the end of signing: both hands hang down and are still, or nobody is there."""

from __future__ import annotations

from collections import deque

import numpy as np

from slr_accel.video.landmarks import STORED_LAYOUT

REST_SECONDS = 1.0
LOW = 0.9
"""Shoulder widths below the shoulders: a hand before the belly is higher."""
STILL = 0.3
"""Shoulder widths that a resting wrist moves at most meanwhile."""
_WRISTS = [STORED_LAYOUT.point_columns(f"pose.{s}_wrist", ("x", "y")) for s in ("left", "right")]
_SHOULDERS = [
    STORED_LAYOUT.point_columns(f"pose.{s}_shoulder", ("x", "y")) for s in ("left", "right")
]
_POSE = STORED_LAYOUT.block_index("pose")


class RestDetector:
    """Says of each frame whether the hands have been at rest for `REST_SECONDS`."""

    def __init__(self, frames_per_second: float) -> None:
        self._length = max(round(REST_SECONDS * frames_per_second), 2)
        self._recent: deque[np.ndarray | None] = deque(maxlen=self._length)

    def add(self, features: np.ndarray, presence: np.ndarray) -> bool:
        """Adds a frame [D] in the columns of STORED_LAYOUT, with presence [blocks]."""
        self._recent.append(_wrists(features) if presence[_POSE] else None)
        if len(self._recent) < self._length:
            return False
        seen = [wrists for wrists in self._recent if wrists is not None]
        if not seen:
            return True
        places = np.array(seen)  # (frames, 2 wrists, x and y)
        is_low = (places[..., 1] > LOW).all()
        return bool(is_low and (np.ptp(places, axis=0) < STILL).all())


def _wrists(features: np.ndarray) -> np.ndarray:
    """[2, 2] places of the wrists from the middle of the shoulders, in shoulder widths."""
    shoulders = features[_SHOULDERS]
    width = max(float(np.linalg.norm(shoulders[0] - shoulders[1])), 1e-6)
    places: np.ndarray = (features[_WRISTS] - shoulders.mean(axis=0)) / width
    return places
