"""Runs a test on several layouts."""

from __future__ import annotations

import pytest
from models_helpers import LAYOUTS

from slr_accel.corpus.layout import Layout


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return request.param
