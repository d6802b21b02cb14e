"""Every state is named where it is planted, and not where a healthy run looks like it."""

from __future__ import annotations

import math

import pytest
from diagnosis_helpers import Records, lines, with_validations, words

from slr_accel.diagnosis.cures import STATES
from slr_accel.diagnosis.states import findings, is_alarm, state
from slr_accel.settings.health import HealthSettings

THRESHOLDS = HealthSettings()
BLANK = {**words(1.0), "empty_share": 1.0, "distinct_tokens": 0}


def falling(step: int) -> float:
    return 3 + 12 * math.exp(-step / 100)


def validated(*wers: float, **more: float) -> Records:
    """Validations of a run whose errors are deletions."""
    return [{"step": 100 * n, **words(wer), **more} for n, wer in enumerate(wers, 1)]


def learned(count: int = 30) -> Records:
    """A run that has learned: a low loss, small gradients, nothing but blank between glosses."""
    records = lines(
        count, loss=lambda s: 15 / (1 + s), grad_norm=1e-4, train_blank_probability=0.999
    )
    return with_validations(records, 50, **words(0.02), blank_probability=0.999)


CASES: dict[str, tuple[str, Records, Records]] = {
    "glosses lastingly later than the teacher's": (
        "spikes_apart",
        with_validations(lines(20, loss=falling, spike_offset=3.0), 50, **words(0.3)),
        with_validations(
            lines(20, loss=falling, spike_offset=lambda s: 4.0 * (s % 20 == 0)), 50, **words(0.3)
        ),
    ),
    "uniform, with a loss that does not fall": (
        "uniform_output",
        lines(20, loss=20.0, train_entropy=0.99, learning_rate=1e-6),
        lines(20, loss=falling, train_entropy=0.99, learning_rate=1e-3),
    ),
    "uniform after the warm-up, not in it": (
        "uniform_output",
        lines(20, loss=20.0, train_entropy=0.99, learning_rate=1e-6),
        lines(20, loss=20.0, train_entropy=0.99, learning_rate=lambda s: 1e-9 * s),
    ),
    "uniform in validation": (
        "uniform_output",
        validated(1.0, 1.0, 1.0, entropy=0.99, eval_loss=20.0),
        validated(1.0, 1.0, 1.0, entropy=0.9, eval_loss=20.0),
    ),
    "blank for certain, against a blank phase with a flat loss": (
        "blank_collapse",
        with_validations(lines(20, loss=4.0, train_blank_probability=0.9999), 50, **BLANK),
        with_validations(
            lines(20, loss=4.0, train_blank_probability=0.9, grad_norm=1.0), 50, **BLANK
        ),
    ),
    "blank for certain, against a run that leaves it": (
        "blank_collapse",
        lines(20, loss=9.0, train_blank_probability=0.999),
        lines(20, loss=falling, train_blank_probability=0.999),
    ),
    "blank for certain, against few glosses in long sequences that are recognised": (
        "blank_collapse",
        lines(20, loss=9.0, train_blank_probability=0.999),
        with_validations(lines(20, loss=0.1, train_blank_probability=0.999), 50, **words(0.05)),
    ),
    "insertions that stay, against those of the first validations": (
        "insertion_explosion",
        [{"step": 100 * n, **words(0, 4.0, 0.8)} for n in range(1, 4)],
        [{"step": 100 * n, **words(0, 4.0 / n**2, 0.8)} for n in range(1, 4)],
    ),
    "insertions that nobody counted": (
        "insertion_explosion",
        [{"epoch": n, "wer": 5.0} for n in range(3)],
        [{"epoch": n, "wer": 1.3} for n in range(3)],
    ),
    "one token whatever is signed": (
        "constant_output",
        validated(0.95, 0.95, 0.95, distinct_tokens=1, empty_share=0.0),
        validated(0.4, 0.4, 0.4, distinct_tokens=1, empty_share=0.0),
    ),
    "one hypothesis whatever is signed, against one sentence": (
        "constant_output",
        validated(0.95, 0.95, 0.95, distinct_hypotheses=1, num_sequences=9),
        validated(0.95, 0.95, 0.95, distinct_hypotheses=1, num_sequences=1),
    ),
    "one hypothesis that is half right, against one that is right": (
        "constant_output",
        validated(0.5, 0.5, 0.5, distinct_hypotheses=1, num_sequences=9),
        validated(0.0, 0.0, 0.0, distinct_hypotheses=1, num_sequences=9),
    ),
    "one hypothesis for half of the time, against a phase of it": (
        "constant_output",
        [*validated(1, 1, 1), *validated(*[0.9] * 6, distinct_hypotheses=1)],
        [*validated(*[1] * 9), *validated(*[0.89] * 3, distinct_hypotheses=1), *validated(0.8)],
    ),
    "one hypothesis, against a loss that falls": (
        "constant_output",
        validated(0.95, 0.95, 0.95, distinct_hypotheses=1, eval_loss=5.0),
        [
            {**record, "eval_loss": 5 - n}
            for n, record in enumerate(validated(0.95, 0.95, 0.95, distinct_hypotheses=1))
        ],
    ),
    "no gradient, against that of a run that has learned": (
        "vanishing_gradient",
        lines(20, loss=20.0, grad_norm=1e-4),
        learned(),
    ),
    "no gradient in a part, against little in the first layer in a blank phase": (
        "vanishing_gradient",
        lines(20, loss=20.0, grad_norm=1.0, grad_norm_features=1e-6),
        lines(20, loss=20.0, grad_norm=1.0, grad_norm_features=1e-3),
    ),
    "a huge gradient, against one while the loss falls": (
        "exploding_gradient",
        lines(20, loss=20.0, grad_norm=500.0),
        lines(20, loss=falling, grad_norm=500.0),
    ),
    "a loss that rises with a huge gradient, against a huge gradient alone": (
        "exploding_gradient",
        lines(8, loss=lambda s: 20.0 * s, grad_norm=lambda s: 700.0 if s == 10 else 40.0),
        lines(8, loss=20.0, grad_norm=lambda s: 700.0 if s == 10 else 40.0),
    ),
    "a huge gradient, against single ones": (
        "exploding_gradient",
        lines(20, loss=20.0, grad_norm=500.0),
        lines(20, loss=20.0, grad_norm=lambda s: 500.0 if s % 30 == 0 else 5.0),
    ),
    "a loss that is NaN, against a figure that has no value yet": (
        "non_finite",
        [*lines(20, loss=5.0), {"step": 210, "loss": math.nan}],
        [*lines(20, loss=5.0), {"step": 210, "wer": math.inf}],
    ),
    "steps left out, against those of the scaler of fp16": (
        "non_finite",
        lines(20, loss=5.0, skipped_steps=2),
        lines(20, loss=5.0, skipped_steps=lambda s: 3 if s == 10 else 0),
    ),
    "a WER that stays high, against one that still falls": (
        "plateau",
        validated(1, 0.95, 0.86, 0.84, 0.83, 0.84, 0.83, 0.83, 0.84),
        validated(1, 0.95, 0.86, 0.84, 0.83, 0.82, 0.80, 0.79, 0.77),
    ),
    "a WER that stays high, against one that stays low": (
        "plateau",
        validated(1, 0.95, 0.86, 0.84, 0.83, 0.84, 0.83, 0.83, 0.84),
        validated(1, 0.8, 0.5, 0.4, 0.39, 0.39, 0.39, 0.4, 0.39),
    ),
    "overfitting at a high WER, against one while WER falls": (
        "overfitting",
        [
            {"epoch": n, "wer": 0.85, "loss": 4 / n, "eval_loss": 4 + abs(n - 3)}
            for n in range(1, 8)
        ],
        [
            {"epoch": n, "wer": 0.85 - n / 30, "loss": 4 / n, "eval_loss": 4 + abs(n - 3)}
            for n in range(1, 8)
        ],
    ),
    "validation that never follows, against overfitting of what was learned": (
        "train_eval_mismatch",
        [{"epoch": n, "wer": 1.0, "loss": 6 / n, "eval_loss": 6.0} for n in range(1, 8)],
        [{"epoch": n, "wer": 0.6, "loss": 6 / n, "eval_loss": 6.0} for n in range(1, 8)],
    ),
    "validation that never follows, against a blank phase": (
        "train_eval_mismatch",
        [{"epoch": n, "wer": 1.0, "loss": 6 / n, "eval_loss": 6.0} for n in range(1, 8)],
        [{"epoch": n, "wer": 1.0, "loss": 6 / n, "eval_loss": 7 / n} for n in range(1, 8)],
    ),
    "a WER that rises for good, against a noisy one": (
        "diverged",
        [{"epoch": n, "wer": w} for n, w in enumerate([0.9, 0.6, 0.4, 0.52, 0.6, 0.7])],
        [{"epoch": n, "wer": w} for n, w in enumerate([0.9, 0.6, 0.4, 0.6, 0.42, 0.6])],
    ),
    "a WER that rises by insertions": (
        "insertion_explosion",
        [{"epoch": n, **words(0.4, w)} for n, w in enumerate([0, 0, 0.15, 0.2, 0.3])],
        [{"epoch": n, **words(0.4, w)} for n, w in enumerate([0, 0, 0.15, 0.02, 0.15])],
    ),
    "a WER that rises because all is blank": (
        "blank_collapse",
        [{"epoch": n, **words(w)} for n, w in enumerate([0.6, 0.4, 1, 1, 1])],
        [{"epoch": n, **words(w)} for n, w in enumerate([0.6, 0.4, 1, 0.4, 0.4])],
    ),
    "a loss above its start, against a noisy one": (
        "diverged",
        lines(20, loss=lambda s: 20.0 if s < 40 else 60.0),
        lines(20, loss=lambda s: 20.0 if s % 30 else 60.0),
    ),
}


@pytest.mark.parametrize(("code", "planted", "twin"), CASES.values(), ids=CASES)
def test_a_state_is_named_and_its_healthy_twin_is_not(
    code: str, planted: Records, twin: Records
) -> None:
    alarms = {finding.code: finding for finding in findings(planted, THRESHOLDS)}
    assert code in alarms and is_alarm(alarms[code])
    assert alarms[code].problem and alarms[code].cure
    for count in range(1, len(twin) + 1):
        assert state(findings(twin[:count], THRESHOLDS)) == "healthy"


def test_every_alarm_is_planted_above() -> None:
    assert {code for code, *_ in CASES.values()} == set(STATES) - {"healthy", "behind"}


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (words(0.97, 0, 0.01), "blank_collapse"),
        ({"wer": 0.98, "empty_share": 0.9}, "blank_collapse"),
        (words(0.2, 0.7, 0.1), "insertion_explosion"),
        ({"wer": 1.0, "entropy": 0.99}, "uniform_output"),
        (words(0.2, 0.1, 0.7), "plateau"),
    ],
)
def test_a_run_that_has_not_begun_late_in_its_plan_is_named_by_what_it_says(
    says: dict[str, float], code: str
) -> None:
    records = [{"step": step, **says} for step in (2000, 4000)]
    assert findings(records, THRESHOLDS, 10_000)[0].code == code
    assert findings(records[:1], THRESHOLDS, 7_000) == []
    assert findings(records, THRESHOLDS, 12_000) == []
    assert findings(records, THRESHOLDS) == []


def test_a_run_without_any_wer_is_judged_by_its_loss() -> None:
    stuck = [{"epoch": n, "loss": 5 - 0.02 * n} for n in range(9)]
    learns = [{"epoch": n, "loss": 5 - 0.2 * n} for n in range(9)]
    assert state(findings(stuck, THRESHOLDS, 20)) == "plateau"
    assert findings(learns, THRESHOLDS, 20) == []
    assert findings(stuck, THRESHOLDS, 40) == []


def test_overfitting_and_a_plateau_of_a_good_run_are_notes() -> None:
    records = [
        {"epoch": n, "wer": max(0.3, 1 - n / 5), "loss": 4 / n, "eval_loss": 2 + abs(n - 4)}
        for n in range(1, 20)
    ]
    assert [(f.code, f.severity) for f in findings(records, THRESHOLDS)] == [
        ("overfitting", "note")
    ]
    for record in records:
        del record["eval_loss"]
    assert [(f.code, f.severity) for f in findings(records, THRESHOLDS)] == [("plateau", "note")]


def test_the_first_hypotheses_of_a_run_are_not_judged() -> None:
    records = [{"step": 10 * n, **words(0, 0.6, 0.8)} for n in range(1, 4)]
    assert state(findings(records, THRESHOLDS, 500)) == "insertion_explosion"
    assert findings(records, THRESHOLDS, 1000) == []


def test_what_was_not_finite_long_ago_is_over() -> None:
    records = [{"step": 0, "loss": math.nan}, *lines(20, loss=5.0)]
    assert state(findings(records[:5], THRESHOLDS)) == "non_finite"
    assert findings(records, THRESHOLDS) == []


def test_an_empty_history_is_healthy() -> None:
    assert state(findings([], THRESHOLDS, 100)) == "healthy"


def test_a_run_of_few_steps_is_told_to_take_more() -> None:
    few = [{"step": 10 * n, **words(1.0)} for n in range(1, 5)]
    many = [{"step": 1000 * n, **words(1.0)} for n in range(1, 5)]
    assert "only 40" in findings(few, THRESHOLDS, 40)[0].cure
    assert "optimizer steps" not in findings(many, THRESHOLDS, 4000)[0].cure


def test_of_a_cause_and_its_consequences_the_cause_is_said() -> None:
    """A uniform output makes insertions; a run that has exploded passes no gradient on."""
    uniform = [{"step": n, **words(0, 0.5, 0.8), "entropy": 0.999} for n in range(1, 4)]
    assert [f.code for f in findings(uniform, THRESHOLDS)] == ["uniform_output"]
    exploded = lines(20, loss=lambda s: 20.0 * s, grad_norm=200.0, grad_norm_features=1e-5)
    assert [f.code for f in findings(exploded, THRESHOLDS)] == ["exploding_gradient"]


def test_a_threshold_is_a_setting() -> None:
    records = lines(20, loss=20.0, grad_norm=5.0)
    assert findings(records, THRESHOLDS) == []
    strict = HealthSettings(exploding_gradient=1.0)
    assert state(findings(records, strict)) == "exploding_gradient"
