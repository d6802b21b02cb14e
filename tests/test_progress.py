"""Long work says how far it is, and gives every item on."""

from __future__ import annotations

import pytest

from slr_accel import progress


@pytest.mark.parametrize("show", [progress.track, progress.untracked])
def test_every_item_is_given_on_in_order(show: progress.Progress) -> None:
    assert list(show(iter("abc"), "spelling", 3)) == ["a", "b", "c"]


def test_without_a_terminal_there_is_now_and_then_a_plain_line_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 12))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    assert list(progress.track(range(2000, 2012), "reading", 12)) == list(range(2000, 2012))
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert 2 <= len(lines) < 12
    assert all(line.startswith("reading: ") and line.endswith(" of 12") for line in lines)
