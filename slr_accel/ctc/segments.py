"""Finds the steps that each token of a sentence takes: spikes of CTC, stretched to segments."""

from __future__ import annotations

import numpy as np

from slr_accel.ctc.alignment import forced_alignment
from slr_accel.labels.vocabulary import BLANK

WIDENED = 0.5
"""Output steps by which a spike is stretched at either side, at most to the middle between it and
its neighbour: an output step sees more frames than its own. Of 0 to 4 it has the smallest error of
the limits of signs on the train sentences of boston104."""


def token_segments(
    log_probs: np.ndarray, tokens: list[int | None], blank_penalty: float = 0.0
) -> list[tuple[float, float]]:
    """Where each token begins and ends on the best path that says them all, in output steps.

    Segments are in order and do not overlap. A token that the vocabulary lacks is as probable, at
    every step, as the likeliest token there.

    Args:
        log_probs: [T', V] of one sequence, with blank = 0.
        tokens: ids, or None for one outside the vocabulary.
        blank_penalty: nats taken from the log-probability of blank at every step, so that a token
            takes steps whose blank is little more probable than the token itself. Pauses between
            signs vanish as it grows.

    Raises:
        ValueError: there are fewer steps than the tokens need.
    """
    unknown = log_probs.shape[1]
    widened = np.empty((len(log_probs), unknown + 1), np.float32)
    widened[:, :unknown] = log_probs
    widened[:, BLANK] -= blank_penalty
    widened[:, unknown] = log_probs[:, BLANK + 1 :].max(axis=1, initial=-np.inf)
    path, _ = forced_alignment(widened, [unknown if t is None else t for t in tokens])
    states = np.array(path)
    starts = np.flatnonzero(np.diff(states, prepend=-1))
    ends = np.append(starts[1:], len(states))
    is_token = states[starts] != BLANK
    return _stretched(starts[is_token], ends[is_token], len(states))


def _stretched(starts: np.ndarray, ends: np.ndarray, steps: int) -> list[tuple[float, float]]:
    if not len(starts):
        return []
    middles = (ends[:-1] + starts[1:]) / 2
    starts = np.maximum(starts - WIDENED, np.concatenate([[0.0], middles]))
    ends = np.minimum(ends + WIDENED, np.concatenate([middles, [float(steps)]]))
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
