"""The rules hold for curves of any length, interval and noise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from diagnosis_helpers import Records, words
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.diagnosis.states import is_alarm, replay
from slr_accel.settings.health import HealthSettings

THRESHOLDS = HealthSettings()
TOTAL = 10_000


def curve(
    wer: Callable[[float], float], *, points: int, noise: float, seed: int, insertions: float = 0.0
) -> Records:
    """A run of `points` validations, with the losses that belong to its WER.

    Args:
        wer: a function of the share of the run that is over.
        noise: standard deviation, relative, of WER and losses.
        insertions: their part in the WER.
    """
    draw = random.Random(seed)
    records = []
    for number in range(1, points + 1):
        share = number / points
        rate = wer(share) * math.exp(draw.gauss(0, noise))
        counts = words((1 - insertions) * rate, insertions * rate)
        loss = (0.2 + 5 * wer(share)) * math.exp(draw.gauss(0, noise))
        records.append({"step": TOTAL * share, "loss": loss, "eval_loss": 1.1 * loss, **counts})
    return records


def alarms(records: Records) -> list[tuple[float, str]]:
    """(share of the run, state) of each alarm."""
    said = replay(records, THRESHOLDS, TOTAL)
    return [(place / TOTAL, finding.code) for place, finding in said if is_alarm(finding)]


ANY = {
    "points": st.integers(4, 150),
    "noise": st.floats(0, 0.02),
    "seed": st.integers(0, 10**6),
}


@settings(max_examples=300, deadline=None)
@given(
    blank=st.floats(0, 0.3),
    best=st.floats(0.0, 0.6),
    speed=st.floats(5, 30),
    every=st.integers(1, 10),
    **ANY,
)
def test_a_run_that_learns_after_a_blank_phase_raises_no_alarm(
    blank: float, best: float, speed: float, every: int, points: int, noise: float, seed: int
) -> None:
    def wer(share: float) -> float:
        return 1.0 if share < blank else best + (1 - best) * math.exp(-speed * (share - blank))

    records = curve(wer, points=points, noise=noise, seed=seed)
    assert alarms(records[:: min(every, max(points // 4, 1))]) == []


@settings(max_examples=100, deadline=None)
@given(end=st.floats(0, 0.5), **ANY)
def test_a_run_that_learns_evenly_to_its_end_raises_no_alarm(
    end: float, points: int, noise: float, seed: int
) -> None:
    records = curve(lambda share: 1 - (1 - end) * share, points=points, noise=noise, seed=seed)
    assert alarms(records) == []


@settings(max_examples=100, deadline=None)
@given(level=st.floats(0.95, 1.0), **ANY)
def test_a_run_that_says_nothing_raises_an_alarm_before_its_half(
    level: float, points: int, noise: float, seed: int
) -> None:
    records = curve(lambda _: level, points=points, noise=0.1 * noise, seed=seed)
    first, state = alarms(records)[0]
    assert state == "blank_collapse"
    assert first <= max(0.5, 2 / points)


@settings(max_examples=100, deadline=None)
@given(level=st.floats(0.76, 0.85), **(ANY | {"points": st.integers(16, 150)}))
def test_a_run_that_stays_at_a_high_wer_raises_an_alarm_before_its_half(
    level: float, points: int, noise: float, seed: int
) -> None:
    def wer(share: float) -> float:
        return level + (1 - level) * math.exp(-50 * share)

    found = alarms(curve(wer, points=points, noise=0.1 * noise, seed=seed))
    assert found and found[0][0] <= 0.5


@settings(max_examples=100, deadline=None)
@given(
    begin=st.floats(0.4, 0.7),
    rise=st.floats(0.2, 3.0),
    insertions=st.sampled_from([0.0, 0.5]),
    **(ANY | {"points": st.integers(20, 150)}),
)
def test_a_run_that_diverges_raises_an_alarm_then_and_not_before(
    begin: float, rise: float, insertions: float, points: int, noise: float, seed: int
) -> None:
    def wer(share: float) -> float:
        learned = 0.3 + 0.7 * math.exp(-15 * share)
        return learned + rise * max(0.0, share - begin) / (1 - begin)

    records = curve(wer, points=points, noise=noise, seed=seed, insertions=insertions)
    found = alarms(records)
    assert found and begin < found[0][0]


@settings(max_examples=50, deadline=None)
@given(level=st.floats(1.5, 10), **ANY)
def test_a_run_of_insertions_raises_an_alarm_at_its_third_validation(
    level: float, points: int, noise: float, seed: int
) -> None:
    records = curve(lambda _: level, points=points, noise=0.3 * noise, seed=seed, insertions=0.8)
    assert alarms(records)[0][1] == "insertion_explosion"


FIGURES = (
    *("loss", "eval_loss", "wer", "insertions", "reference_tokens", "empty_share"),
    *("entropy", "blank_probability", "train_entropy", "grad_norm", "skipped_steps"),
)
ANYTHING = st.one_of(st.floats(), st.integers(-3, 10**9), st.none(), st.text(max_size=2))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(FIGURES), ANYTHING), max_size=30),
    st.sampled_from(["step", "epoch"]),
    st.one_of(st.none(), st.integers(1, 40)),
)
def test_no_record_makes_a_rule_fail(records: Records, unit: str, total: int | None) -> None:
    replay([{unit: n, **record} for n, record in enumerate(records)], THRESHOLDS, total)
