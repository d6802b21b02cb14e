"""Cures name settings and commands that exist."""

from __future__ import annotations

import re

import pytest

from slr_accel.diagnosis.cures import CURES, cure
from slr_accel.diagnosis.history import History
from slr_accel.settings.run import all_fields


@pytest.mark.parametrize("code", CURES)
def test_a_cure_names_two_or_three_settings_that_exist(code: str) -> None:
    text = cure(code, History([{"step": 10}], total=40))
    settings = set(re.findall(r"--(\w+)", text)) - {"split"}  # an option of evaluate
    assert settings <= set(all_fields())
    assert len(settings) + text.count("`slr-accel") >= 2
