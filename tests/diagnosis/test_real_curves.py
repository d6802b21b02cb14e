"""States agree with what became of the real runs of others."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from diagnosis_helpers import Records, place, read_curves

from slr_accel.diagnosis.history import History
from slr_accel.diagnosis.states import is_alarm, replay
from slr_accel.settings.health import HealthSettings

pytestmark = pytest.mark.real_data
THRESHOLDS = HealthSettings()
DIVERGED = "learned, then diverged"


@pytest.fixture
def curves(shared_data: Path) -> dict[str, tuple[str, Records]]:
    return read_curves(shared_data / "curves/curves.jsonl")


def first_alarm(records: Records, total: float | None = None) -> tuple[int, str] | None:
    """(index of the record, state) of the first alarm."""
    for position, finding in replay(records, THRESHOLDS, total):
        if is_alarm(finding):
            return next(n for n, r in enumerate(records) if place(r) == position), finding.code
    return None


def test_a_run_that_learned_raises_no_alarm(curves: dict[str, tuple[str, Records]]) -> None:
    learned = {run: r for run, (outcome, r) in curves.items() if outcome == "learned"}
    assert len(learned) == 11
    assert {run: first_alarm(records) for run, records in learned.items()} == dict.fromkeys(learned)


def test_a_run_that_did_not_learn_raises_an_alarm_before_its_half(
    curves: dict[str, tuple[str, Records]],
) -> None:
    alarms = {
        run: first_alarm(records)
        for run, (outcome, records) in curves.items()
        if outcome not in ("learned", DIVERGED)
    }
    assert alarms == {
        "run01": (5, "blank_collapse"),
        "run04": (2, "insertion_explosion"),
        "run05": (2, "insertion_explosion"),
        "run12": (15, "plateau"),
        "run13": (12, "plateau"),
        "run14": (6, "plateau"),
        "run16": (1, "blank_collapse"),
    }
    assert all(2 * index < len(curves[run][1]) for run, (index, _) in alarms.items())


def test_a_run_that_diverged_raises_an_alarm_when_it_does(
    curves: dict[str, tuple[str, Records]],
) -> None:
    (records,) = (records for outcome, records in curves.values() if outcome == DIVERGED)
    wers = [record["wer"] for record in records]
    index, code = first_alarm(records)
    assert code == "insertion_explosion"
    assert min(wers[:index]) == min(wers) and 0.8 < wers[index] < 0.85
    assert 2 * index < len(wers)


@pytest.mark.parametrize("every", [2, 3, 4, 5, 7, 10, 20])
def test_a_learned_curve_thinned_or_cut_raises_no_alarm(
    every: int, curves: dict[str, tuple[str, Records]]
) -> None:
    for run, (outcome, records) in curves.items():
        if outcome not in ("learned", DIVERGED):
            continue
        total = place(records[-1])
        if outcome == DIVERGED:  # it learned until there
            records = records[:44]
        for first in range(every):
            thinned = records[first::every]
            assert thinned == [] or first_alarm(thinned, total) is None, (run, first)
        # A cut run is what a replay sees on its way; it may be cut at its begin as well.
        for first in range(0, len(records) - 1, every):
            assert first_alarm(records[first:], total) is None, (run, first)


# Margins: what each threshold compares, over the real runs.


def shares(records: Records) -> list[float]:
    """The share of the run that is over at each record."""
    history, found = History(total=place(records[-1])), []
    for record in records:
        history.add(record)
        found.append(history.share or 0.0)
    return found


def late(records: Records) -> Records:
    """The records up to the one at which a run must have begun to learn."""
    due = THRESHOLDS.unlearned_after
    return records[: next(n for n, share in enumerate(shares(records), 1) if share >= due)]


def wers(records: Records) -> list[float]:
    return [record["wer"] for record in records if "wer" in record]


def best_wer_late(records: Records) -> float | None:
    return min(wers(late(records)), default=None)


def begun(records: Records) -> float | None:
    """Share of the run when its WER was first below `unlearned_wer`; 1 where it never was."""
    if not wers(records):
        return None
    for record, share in zip(records, shares(records), strict=True):
        if record["wer"] < THRESHOLDS.unlearned_wer:
            return share
    return 1.0


def loss_late(records: Records) -> float | None:
    """Training loss when a run must have begun to learn, over that at a quarter of this time."""
    early = THRESHOLDS.unlearned_after / 4
    over = zip(records, shares(records), strict=True)
    losses = [r["loss"] for r, share in over if "loss" in r and share >= early]
    count = len(late(records)) - (len(records) - len(losses))
    return min(losses[max(count - 3, 0) : count]) / losses[0] if count > 1 else None


def best_wer(records: Records) -> float | None:
    return min(wers(records), default=None)


def second_half_over_first(records: Records) -> float | None:
    """Highest ratio of the halves' second best WERs, where a plateau may be told early."""
    ratios = []
    for count, share in enumerate(shares(records), 1):
        seen = wers(records[:count])
        middle = (len(seen) + 1) // 2
        is_due = len(seen) >= THRESHOLDS.plateau_validations and share >= THRESHOLDS.plateau_after
        if is_due and share <= 0.55 and THRESHOLDS.high_wer < min(seen) < THRESHOLDS.unlearned_wer:
            ratios.append(sorted(seen[middle:])[1] / sorted(seen[:middle])[1])
    return max(ratios, default=None)


def rise(records: Records) -> float | None:
    """Most that the WER stayed above its best over three validations."""
    seen = wers(records)
    rises = (min(seen[n - 3 : n]) - min(seen[: n - 3]) for n in range(4, len(seen) + 1))
    return max(rises, default=None)


def insertions(records: Records) -> float | None:
    """Most insertions over references that stayed for three validations."""
    seen = [r["insertions"] / r["reference_tokens"] for r in records if "insertions" in r]
    return max((min(seen[n - 3 : n]) for n in range(3, len(seen) + 1)), default=None)


class Margin(NamedTuple):
    figure: Callable[[Records], float | None]
    outcomes_below: set[str]
    outcomes_above: set[str]
    below: tuple[str, float]
    """The nearest run below the threshold, and its figure."""
    threshold: float
    above: tuple[str, float]


GOOD, PARTLY, SILENT = {"learned", DIVERGED}, {"partly learned"}, {"no WER logged"}
NEARLY, NEVER = {"nearly collapsed"}, {"never learned"}
NOT_BEGUN = NEARLY | NEVER
MARGINS = {
    "unlearned_wer": Margin(
        best_wer_late, GOOD | PARTLY, NOT_BEGUN, ("run14", 0.843), 0.9, ("run16", 0.940)
    ),
    "unlearned_after": Margin(
        begun, GOOD | PARTLY, NOT_BEGUN, ("run18", 0.167), 0.4, ("run01", 1.0)
    ),
    "unlearned_loss": Margin(loss_late, GOOD, SILENT, ("run18", 0.833), 0.87, ("run12", 0.914)),
    "high_wer": Margin(best_wer, GOOD, PARTLY | NOT_BEGUN, ("run17", 0.635), 0.7, ("run13", 0.781)),
    "plateau_gain": Margin(
        second_half_over_first, GOOD, PARTLY, ("run18", 0.903), 0.98, ("run13", 1.010)
    ),
    "diverged_wer": Margin(rise, {"learned"}, {DIVERGED}, ("run00", 0.020), 0.1, ("run17", 0.849)),
    "insertion_share": Margin(
        insertions, {"learned"} | PARTLY, NEVER | {DIVERGED}, ("run00", 0.045), 0.5, ("run17", 0.94)
    ),
}


@pytest.mark.parametrize("name", MARGINS)
def test_a_threshold_lies_between_runs_that_learned_and_that_did_not(
    name: str, curves: dict[str, tuple[str, Records]]
) -> None:
    margin = MARGINS[name]
    found = [(run, outcome, margin.figure(records)) for run, (outcome, records) in curves.items()]
    known = [(value, run, outcome) for run, outcome, value in found if value is not None]
    below = max((value, run) for value, run, outcome in known if outcome in margin.outcomes_below)
    above = min((value, run) for value, run, outcome in known if outcome in margin.outcomes_above)
    setting = getattr(THRESHOLDS, name)
    assert margin.threshold == (1 - setting if name == "plateau_gain" else setting)
    assert below[0] < margin.threshold < above[0]
    assert (below[1], above[1]) == (margin.below[0], margin.above[0])
    assert (below[0], above[0]) == pytest.approx((margin.below[1], margin.above[1]), abs=6e-4)


def resampled(records: Records, points: int, noise: float, seed: int) -> Records:
    """The same curve with another interval between its points, and with noise."""
    draw, last = random.Random(seed), len(records) - 1
    made = []
    for number in range(points):
        at, part = divmod(last * number / (points - 1), 1)
        here, there = records[int(at)], records[min(int(at) + 1, last)]
        made.append(
            {
                name: (1 - part) * here[name] + part * there[name]
                for name in here.keys() & there.keys()
            }
        )
        for name in made[-1].keys() - {"step", "epoch", "reference_tokens"}:
            made[-1][name] *= math.exp(draw.gauss(0, noise))
    return made


@pytest.mark.parametrize("points", [20, 60, 200, 500])
@pytest.mark.parametrize("noise", [0.0, 0.005, 0.01])
def test_a_curve_at_another_interval_and_with_noise_says_the_same(
    points: int, noise: float, curves: dict[str, tuple[str, Records]]
) -> None:
    for run, (outcome, records) in curves.items():
        if outcome == DIVERGED:
            continue
        total = place(records[-1])
        alarm = first_alarm(resampled(records, points, noise, seed=points), total)
        if outcome == "learned":
            assert alarm is None, run
        else:
            assert alarm is not None and alarm[0] <= 0.55 * points, run
