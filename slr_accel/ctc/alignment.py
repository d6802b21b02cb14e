"""Aligns a reference with CTC's output steps: the most probable path that says it."""

from __future__ import annotations

import numpy as np

from slr_accel.labels.vocabulary import BLANK


def forced_alignment(log_probs: np.ndarray, tokens: list[int]) -> tuple[list[int], float]:
    """The Viterbi path of CTC (Graves et al. 2006) through the reference.

    Args:
        log_probs: [T', V] of one sequence, with blank = 0.
        tokens: ids of the reference, without blanks.

    Returns:
        the token or blank of each step, and the log-probability of this path.

    Raises:
        ValueError: there are fewer steps than the tokens need.
    """
    steps = len(log_probs)
    states = np.full(2 * len(tokens) + 1, BLANK)
    states[1::2] = tokens
    needed = len(tokens) + int((states[3::2] == states[1:-2:2]).sum())
    if steps < max(needed, 1):
        raise ValueError(f"{len(tokens)} tokens need {needed} output steps, and there are {steps}")
    # From a token to the next one without a blank between, unless both are the same.
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    emitted = log_probs[:, states].astype(np.float64)  # (T', S)
    score = np.full(len(states), -np.inf)
    score[:2] = emitted[0, :2]
    moves = np.zeros((steps, len(states)), np.int64)
    for step in range(1, steps):
        from_one = np.concatenate([[-np.inf], score[:-1]])
        from_two = np.where(skips, np.concatenate([[-np.inf] * 2, score])[: len(score)], -np.inf)
        ways = np.stack([score, from_one, from_two])
        moves[step] = ways.argmax(axis=0)
        score = ways.max(axis=0) + emitted[step]
    end = len(states) - 1
    state = end if end == 0 or score[end] >= score[end - 1] else end - 1
    best, path = float(score[state]), []
    for step in range(steps - 1, -1, -1):
        path.append(int(states[state]))
        state -= int(moves[step, state])
    return path[::-1], best
