"""The learning rate rises, falls, and is never 0."""

from __future__ import annotations

import numpy as np
import pytest

from slr_accel.training.schedules import warmup_cosine


def factors(total_steps: int, warmup_ratio: float) -> np.ndarray:
    return np.array(
        [
            warmup_cosine(step, total_steps=total_steps, warmup_ratio=warmup_ratio)
            for step in range(total_steps)
        ]
    )


def test_rises_linearly_to_the_peak_then_falls() -> None:
    found = factors(100, 0.1)
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10)
    assert found[10] == 1
    assert (np.diff(found[10:]) < 0).all()
    assert warmup_cosine(55, total_steps=100, warmup_ratio=0.1) == pytest.approx(0.5)
    assert found[-1] < 0.001


@pytest.mark.parametrize("total_steps", [1, 2, 7, 1000])
@pytest.mark.parametrize("warmup_ratio", [0.0, 0.05, 0.5, 0.999])
def test_every_step_learns_and_none_beyond_the_peak(total_steps: int, warmup_ratio: float) -> None:
    found = factors(total_steps, warmup_ratio)
    assert (found > 0).all() and (found <= 1).all()


def test_beyond_the_end_it_stays_at_its_smallest() -> None:
    for step in (100, 101, 10_000):
        assert 0 < warmup_cosine(step, total_steps=100, warmup_ratio=0.1) <= 1e-6
