"""What is shown is the text itself; work goes on where nobody can read it."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path

import pytest

from slr_accel.terminal import LastingOutput, Terminal
from slr_accel.training.tracking import Display

TEXT = "clip:a:1 IX:b:left CL:car:drive 12"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_glosses_with_colons_are_shown_as_they_are(is_terminal: bool) -> None:
    file = io.StringIO()
    Terminal(file=file, force_terminal=is_terminal, width=80).print(TEXT, markup=False)
    assert file.getvalue() == f"{TEXT}\n"


def test_output_that_nobody_reads_is_told_as_print_tells_it() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    file = os.fdopen(writing, "w")
    with pytest.raises(BrokenPipeError):
        Terminal(file=file).print(TEXT)
    with suppress(BrokenPipeError):
        file.close()


@pytest.mark.parametrize("gone", ["pipe", "terminal"])
def test_training_goes_on_where_nobody_reads(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe() if gone == "pipe" else os.openpty()
    with os.fdopen(writing, "w", buffering=1) as file:
        monkeypatch.setattr("sys.stdout", file)
        assert LastingOutput().isatty() is (gone == "terminal")
        display = Display(2, 0, epochs=1, epoch=1)
        os.close(reading)
        with display:
            for step in (1, 2):
                display.figures(step, {"step": step, "loss": 1.0})
                display.step(step, 1)
                display.line(TEXT)
        monkeypatch.undo()
        with pytest.raises(OSError):
            file.write("unread\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)


def test_a_full_disk_behind_the_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", buffering=1) as file:
        monkeypatch.setattr("sys.stdout", file)
        display = Display(2, 0, epochs=1, epoch=1)
        with pytest.raises(OSError, match="No space left"):
            display.line(TEXT)
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
