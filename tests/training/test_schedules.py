"""Learning rates rise, peak and fall where they should, and are never 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from run_helpers import TrainCommand, assert_same_run, kill, lines, metrics, wait_for

from slr_accel.settings.training import TrainingSettings
from slr_accel.training.schedules import learning_rate_factor, plateaus

SCHEDULES = ["cosine", "one_cycle", "plateau", "constant", "inverse_square_root"]


def factors(
    total_steps: int, warmup_ratio: float, schedule: str = "cosine", steps: int | None = None
) -> np.ndarray:
    settings = TrainingSettings(schedule=schedule, warmup_ratio=warmup_ratio)
    return np.array(
        [
            learning_rate_factor(settings, step, total_steps=total_steps, wers=[])
            for step in range(steps or total_steps)
        ]
    )


def test_cosine_rises_linearly_to_the_peak_then_falls() -> None:
    found = factors(100, 0.1)
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10)
    assert found[10] == 1
    assert (np.diff(found[10:]) < 0).all()
    assert found[55] == pytest.approx(0.5)
    assert found[-1] < 0.001


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("total_steps", [1, 2, 7, 1000])
@pytest.mark.parametrize("warmup_ratio", [0.0, 0.05, 0.5, 0.999])
def test_every_step_learns_and_none_beyond_the_peak(
    total_steps: int, warmup_ratio: float, schedule: str
) -> None:
    found = factors(total_steps, warmup_ratio, schedule)
    assert (found > 0).all() and (found <= 1 + 1e-12).all()


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_beyond_the_end_it_stays_at_its_smallest(schedule: str) -> None:
    found = factors(100, 0.1, schedule, steps=200)
    assert (found[100:] > 0).all() and (found[100:] <= 1e-5 + 1e-12).all()


@pytest.mark.parametrize("total_steps", [20, 40, 137])
def test_one_cycle_is_that_of_torch(total_steps: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=total_steps, pct_start=0.1, div_factor=10
    )
    expected = []
    for _ in range(total_steps):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        if len(expected) < total_steps:
            theirs.step()
    np.testing.assert_allclose(factors(total_steps, 0.0, "one_cycle"), expected, rtol=1e-9)


def test_one_cycle_starts_at_a_tenth_and_peaks_after_a_tenth_of_the_steps() -> None:
    found = factors(200, 0.0, "one_cycle")
    assert found[0] == pytest.approx(0.1) and found.argmax() == 19
    assert found[19] == pytest.approx(1)
    assert (np.diff(found[:20]) > 0).all() and (np.diff(found[19:]) < 0).all()
    assert found[-1] == pytest.approx(1e-5)


def test_constant_stays_at_the_peak_after_the_warmup() -> None:
    found = factors(100, 0.1, "constant")
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10)
    assert (found[9:] == 1).all()
    assert (factors(100, 0.0, "constant") == 1).all()


def test_inverse_square_root_halves_at_four_times_the_warmup() -> None:
    found = factors(100, 0.1, "inverse_square_root")
    assert found[9] == 1 and found[39] == pytest.approx(0.5)
    assert (np.diff(found[9:]) < 0).all()


def test_a_plateau_is_patience_validations_without_a_better_wer() -> None:
    assert plateaus([], patience=2) == 0
    assert plateaus([0.5, 0.4, 0.4], patience=2) == 0
    assert plateaus([0.5, 0.4, 0.4, 0.45], patience=2) == 1
    assert plateaus([0.5, 0.4, 0.4, 0.45, 0.39, 0.5], patience=2) == 1
    assert plateaus([0.5] * 5, patience=2) == 2


def test_each_plateau_multiplies_the_learning_rate_once() -> None:
    settings = TrainingSettings(
        schedule="plateau", plateau_factor=0.1, plateau_patience=1, warmup_ratio=0.0
    )
    found = [
        learning_rate_factor(settings, 5, total_steps=10, wers=[0.5] * n) for n in (0, 1, 2, 3)
    ]
    np.testing.assert_allclose(found, [1, 1, 0.1, 0.01])


@pytest.mark.slow
def test_a_run_killed_on_a_plateau_equals_uninterrupted(train: TrainCommand, tmp_path) -> None:
    """The reductions come from validations before the kill."""
    settings = {"schedule": "plateau", "plateau_patience": 1, "eval_steps": 3, "max_steps": 20}
    settings |= {"learning_rate": 1e-4, "plateau_factor": 0.5, "warmup_ratio": 0}
    train.run(tmp_path / "whole", **settings)
    rates = {record["learning_rate"] for record in metrics(tmp_path / "whole") if "loss" in record}
    assert len(rates) > 2, "no plateau was met"
    process = train.start(tmp_path / "run", **settings)
    wait_for(lambda: lines(tmp_path / "run") >= 17, process)
    kill(process)
    train.run(tmp_path / "run", **settings)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
