"""Loading settings that have no effect are named."""

from __future__ import annotations

from typing import Any

import pytest

from slr_accel.settings.loading import LoadingSettings


@pytest.mark.parametrize(
    ("given", "is_remote", "named"),
    [
        ({}, False, []),
        ({"cache_gb": 3, "cache_dir": "x"}, False, ["cache_dir", "cache_gb"]),
        ({"cache_gb": 3, "cache_dir": "x"}, True, []),
        ({"num_train_samples": 24}, False, ["num_train_samples"]),
        ({"num_train_samples": 23}, False, []),
        ({"max_frames": 90, "dynamic_truncation": True}, False, ["dynamic_truncation"]),
        ({"max_frames": 89, "dynamic_truncation": True}, False, []),
    ],
)
def test_what_was_given_and_changes_nothing_is_named(
    given: dict[str, Any], is_remote: bool, named: list[str]
) -> None:
    settings = LoadingSettings(**given)
    found = settings.without_effect(is_remote=is_remote, num_train=24, longest=90)
    assert [text.partition(" ")[0] for text in found] == named
