"""How users' mistakes are shown: a text without a traceback, and an exit code."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

PAUSE = 5
"""Seconds after which a process other than the first tells its error."""
INTERRUPT_POLL = 0.05
"""Seconds."""
GONE = (errno.EPIPE, errno.EIO)
"""What a pipe that nobody reads, and a terminal that was closed, answer."""
UNREAD = 128 + 13
"""Exit code of what ends because nobody reads its output: as of a program that SIGPIPE ends."""


class RunError(Exception):
    """A run that cannot go on; its text says why and what to try."""


class Interrupted(Exception):
    """Work given up between two batches, by all processes, because one was told to stop."""


class FetchError(RunError):
    """A file of a remote corpus that cannot be had."""


class OutOfMemory(RunError):
    """A batch that the device has no room for."""


@contextmanager
def reported() -> Iterator[None]:
    """ValueError (wrong use) exits with 2, RunError and OSError with 1, Ctrl-C with 130, SIGTERM
    with 143, a terminal that is closed with 129."""
    # Not where one is ignored, as behind nohup, or where somebody has taken it.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    taken = {n: h for n, h in before.items() if h in (signal.default_int_handler, signal.SIG_DFL)}
    try:
        for number in taken:
            signal.signal(number, _interrupt)
        yield
    except ValueError as error:
        _tell(error)
        sys.exit(2)
    except (RunError, OSError) as error:
        if isinstance(error, OSError) and error.errno in GONE and _is_unread():
            sys.exit(UNREAD)
        _tell(error)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
        if _is_unread():
            # Python would tell at its end that the rest cannot be written.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ends what runs, so that it cleans up; at the end of an import that the signal falls into.

    Those of torch and pandas would swallow it, or be left in halves, with locks that are held.
    """
    while frame is not None:
        if "importlib._bootstrap" in frame.f_code.co_filename:
            threading.Timer(INTERRUPT_POLL, os.kill, (os.getpid(), number)).start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _is_unread() -> bool:
    """Whether nobody reads the output any more, as behind `| head`."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, AttributeError):  # it is no file, or none at all
        return False
    return bool(poll.poll(0))


def _tell(error: Exception) -> None:
    # Of what all processes on a machine meet, the first tells; torchrun ends the others as soon as
    # it has ended. A process that outlives this pause has met something alone.
    if os.environ.get("LOCAL_RANK", "0") != "0":
        time.sleep(PAUSE)
    text = f"error: {error}"
    print(text, file=sys.stderr)
    _tell_launcher(text)


def _tell_launcher(text: str) -> None:
    """torchrun ends with a traceback of its own; what stands in this file it prints below that."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        known = {"py_callstack": text, "timestamp": str(int(time.time()))}
        content = {"message": {"message": text, "extraInfo": known}}
        with suppress(OSError):  # the disk may be what is full
            Path(path).write_text(json.dumps(content), encoding="utf-8")
