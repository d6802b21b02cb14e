"""Errors are told once, with the exit code of their kind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from slr_accel import errors
from slr_accel.errors import OutOfMemory, RunError, out_of_memory_as, reported


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


def test_another_process_tells_an_error_that_ended_no_other_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told_while_waiting = []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(
        errors.time, "sleep", lambda seconds: told_while_waiting.append(capsys.readouterr().err)
    )
    with pytest.raises(SystemExit), reported():
        raise ValueError("row 7 is broken")
    assert told_while_waiting == [""]
    assert capsys.readouterr().err == "error: row 7 is broken\n"


def test_the_launchers_own_traceback_ends_with_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    before = int(time.time())
    with pytest.raises(SystemExit), reported():
        raise ValueError("unknown setting 'epoch'\nunknown setting 'größe'")
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=2, error_file=str(file))
    assert before <= failure.timestamp <= time.time()
    shown = str(ChildFailedError("slr_accel.train", {0: failure}))
    last = shown[shown.index("Root Cause") :]
    assert "error: unknown setting 'epoch'" in last
    assert "unknown setting 'größe'" in last


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_within_an_import_that_swallows_it_ends_the_command_after_the_import(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """As torch and pandas do; the command cleans up behind itself."""
    (tmp_path / "swallows.py").write_text(
        "import time\n"
        "print('importing', flush=True)\n"
        "try:\n    time.sleep(1)\n"
        "except BaseException:\n    print('swallowed', flush=True)\n"
    )
    script = (
        "import time\n"
        "from slr_accel.errors import reported\n"
        "with reported():\n"
        "    try:\n"
        "        import swallows\n"
        "        time.sleep(60)\n"
        "        print('not ended')\n"
        "    finally:\n        print('cleaned up', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None and process.stdout.readline() == "importing\n"
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == "cleaned up\n"
    assert process.returncode == code


def test_the_first_process_to_end_leaves_its_code_and_error_to_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLR_ACCEL_EXIT_FILE", str(tmp_path / "first"))
    for error, code in [(SystemExit(0), 0), (SystemExit(75), 75), (ValueError("wrong"), 2)]:
        with pytest.raises(SystemExit) as ended, reported():
            raise error
        assert ended.value.code == code
    assert (tmp_path / "first").read_text() == "75\n"


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA error: out of memory"), RuntimeError("other")]
)
def test_only_errors_of_missing_memory_are_explained(error: Exception) -> None:
    told = OutOfMemory("lower batch_size")
    expected = RuntimeError if "other" in str(error) else OutOfMemory
    with pytest.raises(expected), out_of_memory_as(lambda: told):
        raise error


def test_help_works_where_python_has_no_signals_and_locks_of_unix() -> None:
    """As on Windows."""
    program = (
        "import select, signal, sys\n"
        "for name in ('SIGHUP', 'SIGUSR1'): delattr(signal, name)\n"
        "del select.poll\n"
        "sys.modules |= {'fcntl': None, 'resource': None}\n"
        "from slr_accel.cli import COMMANDS, main\n"
        "for words in (['--help'], *([name, '--help'] for name in COMMANDS)):\n"
        "    try: main(words)\n"
        "    except SystemExit as end: assert end.code == 0, (words, end.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage: slr-accel train" in done.stdout
