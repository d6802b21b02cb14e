"""A run is compared with the milestones of its recipe."""

from __future__ import annotations

import math

import pytest
from diagnosis_helpers import Records

from slr_accel.diagnosis.history import History
from slr_accel.diagnosis.milestones import behind, expected, milestones_of
from slr_accel.settings.health import HealthSettings, Milestone
from slr_accel.settings.recipes import RECIPES, read_recipe
from slr_accel.settings.run import build_settings


def run(delay: float = 0, total: int = 1000) -> Records:
    def progress(step: int) -> float:
        return math.exp(-max(0, step - delay) / 200)

    return [
        {"step": step, "loss": 1 + 4 * progress(step), "wer": 0.2 + 0.8 * progress(step)}
        for step in range(10, total + 1, 10)
    ]


MILESTONES = milestones_of([run(), run(delay=20)], 1000)
THRESHOLDS = HealthSettings(milestones=tuple(MILESTONES))


def test_milestones_are_those_of_the_slowest_run() -> None:
    assert [m.share for m in MILESTONES] == [0.1, 0.25, 0.5, 0.75]
    assert milestones_of([run(delay=20)], 1000) == MILESTONES


@pytest.mark.parametrize("delay", [0, 20, 40])
def test_a_run_of_the_recipe_is_not_behind(delay: float) -> None:
    records = run(delay)
    for count in range(1, len(records) + 1):
        assert behind(History(records[:count], 1000), THRESHOLDS) is None


def test_a_run_far_behind_is_noted_while_it_trains() -> None:
    found = behind(History(run(delay=400)[:35], 1000), THRESHOLDS)
    assert found is not None and found.severity == "note"
    assert "step 350: 35% of the run is over; by 25% runs of this recipe had a WER" in found.problem
    assert "and its best is 100.0%" in found.problem and "a loss of" in found.problem


def test_wer_and_loss_of_one_share_may_be_two_milestones() -> None:
    both = HealthSettings(milestones=(Milestone(0.25, 0.5), Milestone(0.25, None, 2.0)))
    assert behind(History(run(), 1000), both) is None
    assert expected(both.milestones, 1000) == {"wer": [(250, 0.5)], "loss": [(250, 2.0)]}


def test_what_is_not_yet_due_is_not_missed() -> None:
    assert behind(History(run(delay=400)[:12], 1000), THRESHOLDS) is None


def test_expected_curves_are_in_steps() -> None:
    some = (Milestone(0.5, 0.3), Milestone(0.1, 0.8, 4.0))
    assert expected(some, 200) == {"wer": [(20, 0.8), (100, 0.3)], "loss": [(20, 4.0)]}


@pytest.mark.parametrize("wrong", [[[2, 0.5]], [[0.5, "low"]], [0.5], [[0.5, 0.1, 1, 1]]])
def test_a_milestone_that_cannot_be_read_is_refused(wrong: list[object]) -> None:
    with pytest.raises(ValueError, match="milestones: "):
        build_settings({"milestones": wrong})


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_shipped_recipes_expect_a_wer_that_falls(name: str) -> None:
    milestones = build_settings(
        {**read_recipe(name), "data_dir": "c", "output_dir": "r"}
    ).health.milestones
    wers = [m.wer for m in milestones if m.wer is not None]
    assert wers == sorted(wers, reverse=True) and list(milestones) == sorted(milestones)
