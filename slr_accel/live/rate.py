"""Brings frames that come at times of their own to a model's frame rate, as they come."""

from __future__ import annotations

import numpy as np

from slr_accel.video.landmarks import ROUNDING, Landmarks


class RateConverter:
    """The frames of `Landmarks.at_rate`, each as soon as the frame after it is known."""

    def __init__(self, frames_per_second: float) -> None:
        self._rate = frames_per_second
        self._start: float | None = None
        self._before: tuple[float, np.ndarray, np.ndarray] | None = None
        self._count = 0

    def add(self, time: float, features: np.ndarray, presence: np.ndarray) -> Landmarks | None:
        """Adds a frame; returns the new ones that lie before it or at it, None where none do.

        Args:
            time: in seconds, later than that of the frame before.
            features: [D] in the columns of STORED_LAYOUT.
            presence: [blocks] bool.
        """
        if self._start is None or self._before is None:
            self._start, self._before = time, (time, features, presence)
            self._count = 1
            return Landmarks(np.array([time]), features[None], presence[None])
        upto = int(np.floor((time - self._start) * self._rate + ROUNDING)) + 1
        numbers = np.arange(self._count, upto)
        both = [self._before, (time, features, presence)]
        self._before, self._count = both[1], max(upto, self._count)
        if not len(numbers):
            return None
        times, values, present = (np.array(part) for part in zip(*both, strict=True))
        return Landmarks(times, values, present).at(self._start + numbers / self._rate)
