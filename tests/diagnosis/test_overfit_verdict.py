"""An overfit test's status words, verdict and report say what its metrics show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slr_accel.diagnosis.overfit_status import level, status, zeros_at_end
from slr_accel.diagnosis.overfit_verdict import (
    Trial,
    is_good,
    read_trial,
    report,
    to_json,
    training_checks,
    verdict,
)

GOOD = Trial(
    name="standard",
    learning_rate=5e-4,
    final_wer=0.0,
    best_wer=0.0,
    epoch_of_zero=40,
    epochs=90,
    steps=270,
    final_loss=0.01,
    earlier_loss=0.01,
    eval_loss=0.01,
    grad_norms=(0.1, 5.0),
    clipped_share=0.0,
    skipped_steps=0,
    update_ratio=2e-3,
    seconds=30.0,
)
BAD = replace(GOOD, final_wer=0.8, best_wer=0.7, epoch_of_zero=None)


@pytest.mark.parametrize(
    ("wer", "expected"),
    [(0.0, "ideal"), (0.04, "target"), (0.05, "minimum"), (0.149, "minimum"), (0.15, "failed")],
)
def test_levels_have_the_limits_that_are_documented(wer: float, expected: str) -> None:
    assert level(wer) == expected
    assert replace(BAD, final_wer=wer).passed == (expected != "failed")


@pytest.mark.parametrize(
    ("changed", "zeros", "expected"),
    [
        ({}, 0, "LEARNING"),
        ({"empty_share": 1.0, "wer": 1.0}, 0, "BLANK"),
        ({"blank_share": 1.0, "wer": 1.0}, 0, "BLANK"),
        ({"distinct_tokens": 1}, 0, "CONSTANT"),
        ({"distinct_tokens": 1, "num_sequences": 1}, 0, "LEARNING"),
        ({"wer": 0.14}, 0, "ALMOST"),
        ({"wer": 0.0}, 3, "OVERFITTED 3/10"),
    ],
)
def test_a_validation_has_one_status_word(
    changed: dict[str, float], zeros: int, expected: str
) -> None:
    usual = {"wer": 0.5, "empty_share": 0.0, "blank_share": 0.6, "distinct_tokens": 9}
    assert status({**usual, "num_sequences": 10, **changed}, zeros, 10) == expected


def test_only_zeros_in_a_row_at_the_end_count() -> None:
    wers = [0.0, 0.0, 0.1, 0.0, 0.0]
    assert zeros_at_end([(step, wer) for step, wer in enumerate(wers)]) == 2
    assert zeros_at_end([]) == zeros_at_end([(1, 0.1)]) == 0


@pytest.mark.parametrize(
    ("standard", "relaxed", "expected", "good"),
    [
        (0.0, 0.0, "both", True),
        (0.8, 0.0, "only_relaxed", False),
        (0.0, 0.8, "only_standard", True),
        (0.8, 0.8, "neither", False),
        (None, 0.0, "relaxed", True),
        (0.1, None, "standard", True),
        (None, 0.8, "neither", False),
    ],
)
def test_the_verdict_follows_from_which_settings_pass(
    standard: float | None, relaxed: float | None, expected: str, good: bool
) -> None:
    wers = {"standard": standard, "relaxed": relaxed}
    trials = [replace(GOOD, name=n, final_wer=w) for n, w in wers.items() if w is not None]
    assert verdict(trials) == expected
    assert is_good(verdict(trials)) == good


def records() -> list[dict[str, Any]]:
    step = {"learning_rate": 5e-4, "clipped_share": 0.5, "skipped_steps": 0, "update_ratio": 1e-3}
    return [
        {**step, "step": 10, "epoch": 5, "loss": 3.0, "grad_norm": 9.0},
        {"step": 10, "epoch": 5, "wer": 0.5, "entropy": 0.4},
        {**step, "step": 20, "epoch": 10, "loss": 0.5, "grad_norm": 2.0},
        {"step": 20, "epoch": 10, "wer": 0.0, "entropy": 0.1},
        {**step, "step": 30, "epoch": 15, "skipped_steps": 2},
        {"step": 30, "epoch": 15, "wer": 0.1, "entropy": 0.2},
    ]


def test_a_trial_is_read_from_the_metrics() -> None:
    trial = read_trial("standard", 5e-4, records(), 12.0)
    assert (trial.final_wer, trial.best_wer, trial.epoch_of_zero) == (0.1, 0.0, 10)
    assert (trial.epochs, trial.steps, trial.final_loss) == (15, 30, 0.5)
    assert trial.grad_norms == (2.0, 9.0) and trial.skipped_steps == 2
    assert trial.clipped_share == 0.5


def test_a_run_that_ended_before_its_first_line_has_failed() -> None:
    trial = read_trial("standard", 5e-4, [], 1.0, "20 steps in a row were not finite")
    assert not trial.passed and trial.grad_norms is None
    text = report(model="student", corpus="c", ids=["a"], trials=[trial], checks=[], others=[])
    assert "it ended early: 20 steps in a row" in text and "NaN or Inf seen" in text
    assert to_json("student", "c", ["a"], [trial], [])["trials"]["standard"]["non_finite_seen"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, set()),
        ({"skipped_steps": 1}, {"finite"}),
        ({"steps": 40}, {"optimizer_steps"}),
        ({"update_ratio": 7e-4}, {"update_size"}),
        ({"earlier_loss": 0.02}, {"progress"}),
        ({"eval_loss": 0.5}, {"train_and_evaluation"}),
        ({"clipped_share": 1.0}, {"clipping"}),
        ({"grad_norms": (0.0, 1.0)}, {"gradient_norm"}),
    ],
)
def test_a_training_that_failed_is_charged_with_what_it_lacks(
    changed: dict[str, Any], named: set[str]
) -> None:
    checks = training_checks(replace(BAD, **changed))
    assert {check.name for check in checks if not check.ok} == named


def test_the_report_has_trials_verdict_and_the_other_models() -> None:
    relaxed = replace(GOOD, name="relaxed", learning_rate=1e-3)
    other = to_json("teacher", "c", ["a", "b"], [BAD], [])
    text = report(
        model="student",
        corpus="c",
        ids=["a", "b"],
        trials=[GOOD, relaxed],
        checks=[],
        others=[other],
    )
    assert "standard (learning rate 0.0005): WER 0.00%, ideal; 0 in epoch 40" in text
    assert "PASSED: Model and corpus can learn: both settings" in text
    assert [line.split()[:2] for line in text.splitlines()[-3:]] == [
        ["student", "standard"],
        ["student", "relaxed"],
        ["teacher", "standard"],
    ]
