"""An alarm is said once; again where it ended and came back, or got worse. A note is said once."""

from __future__ import annotations

import json

import pytest

from slr_accel.diagnosis.alarms import Alarms
from slr_accel.findings import Finding

NOTE, WARNING, ERROR = (Finding(s, "plateau", "p") for s in ("note", "warning", "error"))
OTHER = Finding("warning", "overfitting", "p")


def said(*looks: list[Finding]) -> list[list[Finding]]:
    alarms = Alarms(patience=3)
    return [alarms.news(found) for found in looks]


def test_a_state_that_lasts_is_said_once() -> None:
    assert said([WARNING], [WARNING], [WARNING]) == [[WARNING], [], []]


def test_a_state_that_is_gone_for_a_while_is_said_again_and_one_that_flickers_is_not() -> None:
    assert said([WARNING], [], [], [], [WARNING])[-1] == [WARNING]
    assert said([WARNING], [], [], [WARNING], [], [], [WARNING])[3::3] == [[], []]


def test_a_state_that_gets_worse_is_said_again_and_one_that_gets_better_is_not() -> None:
    assert said([NOTE], [WARNING], [NOTE], [WARNING], [ERROR]) == [
        [NOTE],
        [WARNING],
        [],
        [],
        [ERROR],
    ]


def test_a_note_is_said_once_in_a_run() -> None:
    assert said([NOTE], [], [], [], [NOTE], [], [], [], [WARNING])[1:] == [*[[]] * 7, [WARNING]]


def test_states_do_not_hide_each_other() -> None:
    assert said([WARNING], [WARNING, OTHER]) == [[WARNING], [OTHER]]


@pytest.mark.parametrize("absent", [0, 1, 2, 3])
def test_a_resumed_run_says_what_the_unbroken_one_does(absent: int) -> None:
    looks = [[WARNING], *[[]] * absent, [WARNING], [ERROR]]
    for cut in range(len(looks)):
        first, second = Alarms(patience=3), Alarms(patience=3)
        news = [first.news(found) for found in looks[:cut]]
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        news += [second.news(found) for found in looks[cut:]]
        assert news == said(*looks)
