"""Errors are told once, with the exit code of their kind."""

from __future__ import annotations

import pytest

from slr_accel import errors
from slr_accel.errors import FetchError, OutOfMemory, RunError, reported


@pytest.mark.parametrize(
    ("error", "code"), [(ValueError("wrong"), 2), (RunError("broken"), 1), (OSError("full"), 1)]
)
def test_the_first_process_tells_the_error_without_a_traceback(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(SystemExit) as ended, reported():
        raise error
    assert ended.value.code == code
    assert capsys.readouterr().err == f"error: {error}\n"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("met by all"), ""),
        (OutOfMemory("my batch"), "error: my batch\n"),
        (FetchError("my shard"), "error: my shard\n"),
    ],
)
def test_another_process_tells_what_it_alone_may_have_met(
    error: Exception,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(errors.time, "sleep", lambda seconds: None)
    with pytest.raises(SystemExit), reported():
        raise error
    assert capsys.readouterr().err == told
