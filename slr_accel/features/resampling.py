"""Changes the speed of sequences, as a whole and locally, by linear interpolation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from slr_accel.padding import frame_mask, frames_at

KNOT_FRAMES = 12
"""Frames between two independently sampled speeds: about half a second of video."""


def random_places(
    frames: int, least: int, random: np.random.Generator, *, stretch: float, warp: float
) -> np.ndarray:
    """Samples where the frames of a resampled sequence lie in the original one.

    Args:
        frames: frames of the original, at least 1.
        least: fewest frames of the result.
        stretch: largest factor; the smallest is its inverse.
        warp: standard deviation of the logarithm of the local speed.

    Returns:
        [new frames] float, rising from 0 to frames - 1.
    """
    factor = np.exp(random.uniform(-np.log(stretch), np.log(stretch)))
    count = max(round(frames * factor), least, 1)
    knots = random.normal(0, warp, count // KNOT_FRAMES + 2)
    logarithm = np.interp(np.arange(count - 1) / KNOT_FRAMES, np.arange(len(knots)), knots)
    passed = np.concatenate([[0.0], np.cumsum(np.exp(logarithm))])
    return passed / max(passed[-1], 1e-9) * (frames - 1)


def drop_places(
    places: np.ndarray, least: int, random: np.random.Generator, probability: float
) -> np.ndarray:
    """Leaves out each place with the same probability, but keeps `least` of them, and at least 1.

    Args:
        places: [frames] rising.
    """
    draws = random.random(len(places))
    most = len(places) - max(least, 1)
    count = min(int((draws < probability).sum()), most)
    return np.delete(places, np.argsort(draws)[:count])


def resample(
    values: Tensor, presence: Tensor, lengths: Tensor, places: Tensor, new_lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns values and presence at the given places of each sequence; padding is 0.

    A frame between a present and an absent one is absent: there is nothing to interpolate.

    Args:
        values: [B, T, D] float.
        presence: [B, T, blocks] bool.
        lengths: [B] int64.
        places: [B, T'] float, as `random_places` returns them for each sequence.
        new_lengths: [B] int64, up to T'.
    """
    last = (lengths - 1)[:, None]
    before = places.floor().long().minimum(last)
    after = (before + 1).minimum(last)
    fraction = (places - before)[..., None]
    inside = frame_mask(new_lengths, places.shape[1])[..., None]
    resampled = torch.lerp(frames_at(values, before), frames_at(values, after), fraction)
    seen = frames_at(presence, before) & (frames_at(presence, after) | (fraction == 0))
    return resampled * inside, seen & inside
