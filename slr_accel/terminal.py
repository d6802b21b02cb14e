"""Consoles that show texts as they are."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from slr_accel.errors import GONE


class Terminal(Console):
    """rich's console for the words of users: numbers get no colour, and `:a:` does not become a
    picture. Raises BrokenPipeError where nobody reads it, as print does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, emoji=False, **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class LastingOutput:
    """Standard output for work that goes on when nobody reads it, or its terminal is closed."""

    def __init__(self) -> None:
        self._file = sys.stdout

    def write(self, text: str) -> int:
        with _unless_gone():
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with _unless_gone():
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in GONE:
            raise
