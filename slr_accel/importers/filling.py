"""Fills points that are absent in a block that is there, from other frames and other points."""

from __future__ import annotations

import numpy as np

LONGEST_GAP = 5
"""Frames without a point that are bridged from the frames before and after: a fifth of a second."""
LEAST_VARIANCE = 1e-3
"""Of a point in its block, as a share of the mean of all: the most still ones count most."""


def fill_points(
    values: np.ndarray, absent: np.ndarray, coordinates: list[int], home: list[int]
) -> None:
    """Fills absent points in place; frames without any point become 0.

    A gap of a few frames is bridged by a straight line. Else a point goes where it usually is in
    the block, as the block's other points lie in this frame. A point that is never seen goes to
    the points `home`, or to the middle of the block, where it says nothing of its own.

    Args:
        values: [T, P, axes] float.
        absent: [T, P] bool.
        coordinates: the axes to fill; others are 0 where a point is absent and they are NaN.
        home: numbers of the points that are the origin of the body; may be empty.
    """
    gone = np.asarray(absent.all(axis=1))
    own = values[..., coordinates].astype(np.float64)
    own[absent] = 0
    missing = _bridge(own, absent, ~gone)
    if missing.any():
        _fit_shape(own, missing, gone, home)
    own[gone] = 0
    for place, axis in enumerate(coordinates):
        values[..., axis] = np.where(absent, own[..., place], values[..., axis])
    others = [axis for axis in range(values.shape[-1]) if axis not in coordinates]
    for axis in others:
        unknown = absent & np.isnan(values[..., axis]) | gone[:, None]
        values[..., axis] = np.where(unknown, 0, values[..., axis])


def _bridge(own: np.ndarray, absent: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Fills short gaps of [T, P, A] in place. Returns [T, P] what is still missing where shown."""
    frames = np.arange(len(own))[:, None]
    last = np.maximum.accumulate(np.where(absent, -1, frames), axis=0)
    first = np.where(absent, len(own), frames)[::-1]
    first = np.minimum.accumulate(first, axis=0)[::-1]
    missing = absent & shown[:, None]
    inner = missing & (last >= 0) & (first < len(own)) & (first - last <= LONGEST_GAP + 1)
    t, p = np.nonzero(inner)
    before, after = last[t, p], first[t, p]
    share = ((t - before) / (after - before))[:, None]
    own[t, p] = own[before, p] + share * (own[after, p] - own[before, p])
    return missing & ~inner


def _fit_shape(own: np.ndarray, missing: np.ndarray, gone: np.ndarray, home: list[int]) -> None:
    """Fills the missing points of [T, P, A] in place from the mean shape, moved to each frame."""
    known = ~missing & ~gone[:, None]
    weights = np.ones(own.shape[1])
    shape = _mean(own, known)
    for _ in range(2):
        shift = _shift(own - shape, known, weights)
        shape = _mean(own - shift[:, None], known)
        spread = _mean((own - shift[:, None] - shape) ** 2, known).sum(axis=-1)
        weights = 1 / (spread + LEAST_VARIANCE * spread.mean() + np.finfo(float).tiny)
    never = ~known.any(axis=0)
    shift = _shift(own - shape, known, np.where(never, 0, weights))
    filled = shape + shift[:, None]
    own[missing] = filled[missing]
    if never.any():
        middle = home if home and not never[home].any() else np.flatnonzero(~never)
        own[:, never] = own[:, middle].mean(axis=1, keepdims=True)


def _mean(own: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[P, A] mean over the frames in which each point is known; 0 where it never is."""
    count = known.sum(axis=0)[:, None]
    return np.where(known[..., None], own, 0).sum(axis=0) / np.maximum(count, 1)


def _shift(own: np.ndarray, known: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[T, A] weighted mean over the points that are known in each frame."""
    weighted = known * weights
    total = np.maximum(weighted.sum(axis=1), np.finfo(float).tiny)
    return np.einsum("tp,tpa->ta", weighted, own) / total[:, None]
