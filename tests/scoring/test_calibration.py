"""The calibration error is 0 of honest confidences, and counts how far others are off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_helpers import sequence

from slr_accel.scoring.calibration import calibration, judged, log_loss


def test_words_are_judged_one_by_one() -> None:
    sequences = [sequence("a", "x", "A B C", "A X C D"), sequence("b", "x", "A", "")]
    words = judged(sequences, [[0.9, 0.8, 0.7, 0.6], []])
    assert words.tolist() == [[0.9, 1], [0.8, 0], [0.7, 1], [0.6, 0]]


def test_honest_confidences_have_no_error_and_sure_ones_that_of_their_excess() -> None:
    right = np.repeat([1.0, 0.0], [75, 25])
    assert calibration(np.stack([np.full(100, 0.75), right], 1))["ece"] == pytest.approx(0)
    assert calibration(np.stack([np.full(100, 1.0), right], 1))["ece"] == pytest.approx(0.25)


def test_no_words_have_no_figures() -> None:
    assert calibration(judged([], [])) == {}


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_error_is_at_least_the_gap_of_the_means(words: list[tuple[float, bool]]) -> None:
    figures = calibration(np.array(words, float))
    gap = abs(figures["mean_confidence"] - figures["word_accuracy"])
    assert gap - 3e-5 <= figures["ece"] <= 1
    assert sum(b["words"] for b in figures["bins"]) == len(words)


def test_log_loss_is_smallest_at_the_true_share() -> None:
    right = np.repeat([1.0, 0.0], [60, 40])
    shares = np.linspace(0.1, 0.9, 17)
    losses = [log_loss(np.stack([np.full(100, share), right], 1)) for share in shares]
    assert shares[int(np.argmin(losses))] == pytest.approx(0.6)
