"""A run is compared with the milestones of its recipe."""

from __future__ import annotations

import math

import pytest
from diagnosis_helpers import Records

from slr_accel.diagnosis.milestones import Milestone, behind, milestones_of, read_milestones


def run(delay: float = 0, total: int = 1000) -> Records:
    def progress(step: int) -> float:
        return math.exp(-max(0, step - delay) / 200)

    return [
        {"step": step, "loss": 1 + 4 * progress(step), "wer": 0.2 + 0.8 * progress(step)}
        for step in range(10, total + 1, 10)
    ]


MILESTONES = milestones_of([run(), run(delay=20)], 1000)


def test_milestones_are_those_of_the_slowest_run() -> None:
    assert [m.share for m in MILESTONES] == [0.1, 0.25, 0.5, 0.75]
    assert milestones_of([run(delay=20)], 1000) == MILESTONES


@pytest.mark.parametrize("delay", [0, 20, 40])
def test_a_run_of_the_recipe_is_not_behind(delay: float) -> None:
    records = run(delay)
    for count in range(1, len(records) + 1):
        assert behind(records[:count], MILESTONES, count / 100) is None


def test_a_run_far_behind_says_so_while_it_runs() -> None:
    found = behind(run(delay=400)[:35], MILESTONES, 0.35)
    assert found is not None and found.severity == "warning"
    assert "step 350: 35% of the run is over; by 25% the recipe expects a WER of" in found.problem
    assert "and is at 100.0%" in found.problem and "a loss of" in found.problem


def test_what_is_not_yet_due_is_not_missed() -> None:
    assert behind(run(delay=400)[:12], MILESTONES, 0.12) is None


def test_a_recipe_gives_milestones_in_any_order() -> None:
    assert read_milestones([{"share": 0.5, "wer": 0.3}, {"share": 0.1, "loss": 4.0}]) == [
        Milestone(0.1, loss=4.0),
        Milestone(0.5, wer=0.3),
    ]


@pytest.mark.parametrize(
    "wrong", [{"share": 0.5}, {"wer": 0.5}, {"share": 2, "wer": 0.5}, {"share": 0.5, "cer": 1}]
)
def test_a_milestone_that_cannot_be_read_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="milestones: "):
        read_milestones([wrong])
