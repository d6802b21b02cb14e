"""Shows errors of a command as a text without a traceback, with an exit code."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

PAUSE = 5
"""Seconds after which a process other than the first reports its error."""
INTERRUPT_POLL = 0.05
"""Seconds."""
GONE = (errno.EPIPE, errno.EIO)
"""Errors of a pipe that nobody reads, and of a terminal that was closed."""
NO_MEMORY = ("out of memory", "DefaultCPUAllocator")
"""In errors of torch: of a GPU, and of the CPU's allocator."""
EXIT_FILE = "SLR_ACCEL_EXIT_FILE"
"""Variable with the path of a file that does not exist yet."""
UNREAD = 128 + 13
"""Exit code where nobody reads the output: that of a program which SIGPIPE ends."""


class RunError(Exception):
    """A run cannot go on; the text says why and what to try."""


class Interrupted(Exception):
    """All processes stopped between two batches, because one received a signal."""


class FetchError(RunError):
    """A file of a remote corpus cannot be fetched."""


class OutOfMemory(RunError):
    """A batch does not fit into the memory of the device."""


@contextmanager
def out_of_memory_as(explain: Callable[[], OutOfMemory]) -> Iterator[None]:
    """Replaces the errors of a device, or of a CPU, without memory by the one that `explain`
    returns."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        told = any(sign in str(error) for sign in NO_MEMORY)
        if not told and not isinstance(error, MemoryError):
            raise
        raise explain() from None


@contextmanager
def reported() -> Iterator[None]:
    """Exits with 2 after a ValueError (wrong use), 1 after RunError and OSError, 130 after Ctrl-C,
    143 after SIGTERM and 129 when the terminal is closed."""
    # A signal that is ignored, as behind nohup, or handled by others is left alone.
    before = {number: signal.getsignal(number) for number in ending_signals()}
    taken = {n: h for n, h in before.items() if h in (signal.default_int_handler, signal.SIG_DFL)}
    try:
        for number in taken:
            signal.signal(number, _interrupt)
        yield
    except ValueError as error:
        _report(error)
        _exit(2, f"error: {error}")
    except (RunError, OSError) as error:
        if isinstance(error, OSError) and error.errno in GONE and _is_unread():
            _exit(UNREAD)
        _report(error)
        _exit(1, f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        _exit(130)
    except SystemExit as end:
        _exit(end.code)
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
        if _is_unread():
            # Else Python complains at its end that the rest cannot be written.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit(code: str | int | None, text: str = "") -> NoReturn:
    """Exits, and leaves the code and the error to the script that started the launcher, whose own
    code says neither (launch/processes.sh). The first process to end is heard."""
    if code and (path := os.environ.get(EXIT_FILE)):
        with suppress(OSError), Path(path).open("x", encoding="utf-8") as file:
            file.write(f"{code if isinstance(code, int) else 1}\n{text}")
    sys.exit(code)


def ending_signals() -> list[signal.Signals]:
    """Ctrl-C, SIGTERM, and a terminal that is closed, which Windows does not have."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [signal.Signals[name] for name in names if hasattr(signal, name)]


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ends the command by an exception, so that it cleans up; during an import, after the import.

    Imports of torch and pandas would swallow the exception, or stop halfway with locks held.
    """
    while frame is not None:
        if "importlib._bootstrap" in frame.f_code.co_filename:
            threading.Timer(INTERRUPT_POLL, os.kill, (os.getpid(), number)).start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _is_unread() -> bool:
    """Whether nobody reads the output any more, as behind `| head`."""
    if not hasattr(select, "poll"):  # as on Windows
        return False
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, AttributeError):  # it is no file, or none at all
        return False
    return bool(poll.poll(0))


def _report(error: Exception) -> None:
    # Where all processes of a machine fail alike, the first one reports, and torchrun then ends the
    # others during their pause. A process that outlives the pause has failed alone.
    if os.environ.get("LOCAL_RANK", "0") != "0":
        time.sleep(PAUSE)
    text = f"error: {error}"
    print(text, file=sys.stderr)
    # torchrun prints the content of this file below its own traceback.
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        known = {"py_callstack": text, "timestamp": str(int(time.time()))}
        content = {"message": {"message": text, "extraInfo": known}}
        with suppress(OSError):  # the disk may be what is full
            Path(path).write_text(json.dumps(content), encoding="utf-8")
