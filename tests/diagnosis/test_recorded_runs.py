"""Runs of this project, sound ones and some with planted faults, say what they should.

`recorded` holds their figures. Sound: the recipes `synthetic`, `boston104` (4,000 of 17,100 steps,
every fifth line) and the blank phase of `speech` on `an4_mfcc` (250 of 3,240 steps). With a fault,
on 120 sentences of `synthetic` and with 240 steps planned: output weights N(0, 0.01) and a learning
rate of 1e-6; a learning rate of 1; blank bias +10 with a learning rate of 1e-5. The last one with
the recipe's learning rate is sound: that undoes the bias in 60 steps.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from diagnosis_helpers import Records

from slr_accel.diagnosis.states import is_alarm, replay
from slr_accel.settings.health import HealthSettings

THRESHOLDS = HealthSettings()


def recorded(name: str) -> Records:
    text = (Path(__file__).parent / "recorded" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("synthetic", 500),
        ("boston104", 17_100),
        ("an4_blank_phase", 3_240),
        ("blank_bias_overcome", 240),
    ],
)
def test_a_sound_run_raises_no_alarm(name: str, total: int) -> None:
    said = replay(recorded(name), THRESHOLDS, total)
    assert [finding for _, finding in said if is_alarm(finding)] == []


@pytest.mark.parametrize(
    ("code", "step"),
    [("uniform_output", 90), ("exploding_gradient", 60), ("blank_collapse", 100)],
)
def test_a_planted_fault_is_named_first(code: str, step: int) -> None:
    said = replay(recorded(code), THRESHOLDS, 240)
    place, finding = said[0]
    assert (place, finding.code) == (step, code)
