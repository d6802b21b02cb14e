"""Every token gets a segment, in order, whatever the model says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.ctc.segments import token_segments


def log_probs_of(rows: list[list[float]]) -> np.ndarray:
    probabilities = np.array(rows)
    return np.log(probabilities / probabilities.sum(axis=1, keepdims=True))


@given(data=st.data())
def test_segments_are_complete_and_monotone(data: st.DataObject) -> None:
    vocabulary = data.draw(st.integers(1, 5))
    tokens = data.draw(st.lists(st.none() | st.integers(1, vocabulary), max_size=6))
    needed = len(tokens) + sum(a == b for a, b in pairwise(tokens))
    steps = data.draw(st.integers(max(needed, 1), needed + 12))
    seed, peaky = data.draw(st.integers(0, 2**31)), data.draw(st.sampled_from([0.1, 1.0, 30.0]))
    penalty = data.draw(st.floats(0, 50))
    logits = peaky * np.random.default_rng(seed).normal(size=(steps, vocabulary + 1))
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    segments = token_segments(log_probs, tokens, penalty)
    assert len(segments) == len(tokens)
    limits = [limit for segment in segments for limit in segment]
    assert limits == sorted(limits)
    assert all(end - start >= 1 for start, end in segments)
    assert not limits or (limits[0] >= 0 and limits[-1] <= steps)


def test_spikes_reach_half_a_step_further_but_not_into_each_other() -> None:
    says = {"blank": [0.98, 0.01, 0.01], "A": [0.01, 0.98, 0.01], "B": [0.01, 0.01, 0.98]}
    path = ["A", "A", "B", "blank", "blank", "blank", "A", "blank"]
    segments = token_segments(log_probs_of([says[name] for name in path]), [1, 2, 1])
    assert segments == [(0.0, 2.0), (2.0, 3.5), (5.5, 7.5)]


def test_a_penalty_of_blanks_closes_pauses() -> None:
    log_probs = log_probs_of([[8, 1, 0.1], [1, 9, 0.1], [8, 1, 0.5], [8, 0.5, 1], [1, 0.1, 9]])
    spikes, closed = (token_segments(log_probs, [1, 2], penalty) for penalty in (0, 10))
    assert spikes == [(0.5, 2.5), (3.5, 5.0)]
    assert closed == [(0.0, 3.0), (3.0, 5.0)]


def test_an_unknown_word_takes_the_place_between_its_neighbours() -> None:
    says = [[1, 97, 1, 1], [97, 1, 1, 1], [1, 1, 1, 97], [97, 1, 1, 1], [1, 1, 97, 1]]
    segments = token_segments(log_probs_of(says), [1, None, 2])
    assert segments == [(0.0, 1.5), (1.5, 3.5), (3.5, 5.0)]


def test_too_few_steps_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 output steps"):
        token_segments(np.log(np.full((2, 3), 1 / 3)), [1, None, 2])
