"""Aligns a reference with CTC's output steps: the most probable path that says it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slr_accel.labels.vocabulary import BLANK


class Alignment(NamedTuple):
    """The most probable path of CTC through some tokens; the lists have one entry a token."""

    start: list[int]
    """First output step of the token."""
    end: list[int]
    """Output step after its last."""
    confidence: list[float]
    """Mean probability of the token over its steps, 0 to 1."""
    log_prob: float
    """Of the path."""


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
    (found,) = forced_alignments(log_probs[None], [len(log_probs)], [tokens])
    path = [BLANK] * len(log_probs)
    for token, start, end in zip(tokens, found.start, found.end, strict=True):
        path[start:end] = [token] * (end - start)
    return path, found.log_prob


def forced_alignments(
    log_probs: np.ndarray, lengths: Sequence[int], tokens: list[list[int]]
) -> list[Alignment]:
    """As `forced_alignment`, for a batch: [B, T', V], with the number of valid steps of each.

    It remembers a byte for each output step and each token and blank around it.
    """
    for steps, own in zip(lengths, tokens, strict=True):
        needed = len(own) + sum(a == b for a, b in pairwise(own))
        if steps < needed:
            raise ValueError(f"{len(own)} tokens need {needed} output steps, and there are {steps}")
    if not tokens:
        return []
    states = np.full((len(tokens), 2 * max(map(len, tokens)) + 1), BLANK)  # (B, S)
    for row, own in enumerate(tokens):
        states[row, 1 : 2 * len(own) : 2] = own
    best = _best_states(log_probs, np.asarray(lengths), states, np.array([len(t) for t in tokens]))
    found = []
    for row, own in enumerate(tokens):
        path = best[row, : lengths[row]]  # never falls
        said = 2 * np.arange(len(own)) + 1
        start, end = np.searchsorted(path, said), np.searchsorted(path, said, side="right")
        emitted = log_probs[row, np.arange(len(path)), states[row, path]].astype(np.float64)
        confidence = [float(np.exp(emitted[a:b]).mean()) for a, b in zip(start, end, strict=True)]
        found.append(Alignment(start.tolist(), end.tolist(), confidence, float(emitted.sum())))
    return found


def _best_states(
    log_probs: np.ndarray, lengths: np.ndarray, states: np.ndarray, num_tokens: np.ndarray
) -> np.ndarray:
    """The state of each step on the best path, (B, T'). State 2 i + 1 says token i, the others are
    blanks around it; from a token one may go on to another one without a blank between."""
    rows = np.arange(len(states))
    skips = np.zeros(states.shape, bool)
    skips[:, 1:2] = True  # from the state before the first one, in which every path begins
    skips[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    score = np.full((len(states), 2 + states.shape[1]), -np.inf)
    score[:, 1] = 0.0
    moves = np.zeros((log_probs.shape[1], *states.shape), np.uint8)
    ends = score[:, 2:].copy()
    for step in range(log_probs.shape[1]):
        emitted = log_probs[rows[:, None], step, states]  # (B, S)
        best = np.maximum(score[:, 2:], score[:, 1:-1])
        moves[step] = score[:, 1:-1] > score[:, 2:]
        over = skips & (score[:, :-2] > best)
        best = np.where(over, score[:, :-2], best)
        moves[step][over] = 2
        score[:, 2:] = best + emitted
        score[:, 1] = -np.inf
        ends = np.where((lengths == step + 1)[:, None], score[:, 2:], ends)
    last = 2 * num_tokens  # the blank behind the last token
    before = np.maximum(last - 1, 0)
    state = np.where(ends[rows, last] >= ends[rows, before], last, before)
    path = np.zeros((len(states), log_probs.shape[1]), np.int64)
    for step in range(log_probs.shape[1] - 1, -1, -1):
        inside = step < lengths
        path[:, step] = np.where(inside, state, 0)
        state = np.where(inside, state - moves[step, rows, state], state)
    return path
