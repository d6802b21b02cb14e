"""How users' mistakes are shown: a text without a traceback, and an exit code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class RunError(Exception):
    """A run that cannot go on; its text says why and what to try."""


class Interrupted(Exception):
    """Work given up between two batches, by all processes, because one was told to stop."""


class OneProcessError(RunError):
    """What one process alone may meet, so that it tells of it itself."""


class FetchError(OneProcessError):
    """A file of a remote corpus that cannot be had."""


class OutOfMemory(OneProcessError):
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
    # Of several processes on a machine that meet the same error, one says so.
    if os.environ.get("LOCAL_RANK", "0") == "0" or isinstance(error, OneProcessError):
        print(f"error: {error}", file=sys.stderr)
    else:
        # torchrun ends all as soon as one has ended: let the first one finish its sentence.
        time.sleep(5)
