"""How users' mistakes are shown: a text without a traceback, and an exit code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 5
"""Seconds after which a process other than the first tells its error."""


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
        _tell(error)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _tell(error: Exception) -> None:
    # Of what all processes on a machine meet, the first tells; torchrun ends the others as soon as
    # it has ended. A process that outlives this pause has met something alone.
    if os.environ.get("LOCAL_RANK", "0") != "0":
        time.sleep(PAUSE)
    print(f"error: {error}", file=sys.stderr)
