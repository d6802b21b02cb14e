"""Limits how long processes wait for each other, and reports when one of them has died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from slr_accel.errors import RunError

LONGEST_SILENCE = timedelta(minutes=15)
"""The longest time that a process waits for the others, which the first one needs to measure the
features at the start of a run. A dead process is noticed at once, a vanished machine after it."""

_LOST = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "Timed out waiting",
    # of NCCL
    "NCCL communicator was aborted",
    "ncclRemoteError",
    "ncclSystemError",
    "remote process exited or there was a network error",
    "Watchdog caught collective operation timeout",
)


@contextmanager
def lost_peers_explained() -> Iterator[None]:
    """Turns the errors that gloo and NCCL raise when another process is gone into a RunError."""
    try:
        yield
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _LOST):
            raise
        reason = str(error).splitlines()[0]
        raise RunError(
            "another process of this run has died; the same command continues from the last "
            f"checkpoint ({reason})"
        ) from None
