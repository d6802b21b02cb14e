"""Writes text to the terminal as it is, and copes with terminals that were closed."""

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
    """A rich console that shows `:a:` and numbers as they are, without emoji or colours, and that
    raises BrokenPipeError as print does where nobody reads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, emoji=False, **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class LastingOutput:
    """Standard output for work that goes on when nobody reads it or its terminal is closed."""

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
