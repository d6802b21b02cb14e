"""How long a process waits for the others, and what it says when one of them has died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from slr_accel.errors import RunError

LONGEST_SILENCE = timedelta(minutes=15)
"""After which a process gives up waiting. One that dies is noticed at once, since its connections
close; this is for a machine that vanishes. Others wait for the first one while it measures the
features at the first start of a run."""

_LOST = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "Timed out waiting",
)


@contextmanager
def lost_peers_explained() -> Iterator[None]:
    """Makes a RunError of what gloo raises when another process is gone."""
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
