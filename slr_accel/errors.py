"""How users' mistakes are shown: a text without a traceback, and an exit code."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PAUSE = 5
"""Seconds after which a process other than the first tells its error."""
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
    """ValueError (wrong use) exits with 2, RunError and OSError with 1."""
    try:
        yield
    except ValueError as error:
        _tell(error)
        sys.exit(2)
    except (RunError, OSError) as error:
        if isinstance(error, BrokenPipeError) and _is_unread():
            sys.exit(UNREAD)
        _tell(error)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        if _is_unread():
            # Python would tell at its end that the rest cannot be written.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
