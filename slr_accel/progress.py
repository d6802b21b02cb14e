"""Shows the progress of long work: a bar on a terminal, a line every half minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
LINE_SECONDS = 30.0


class Progress(Protocol):
    """Wraps an iterable of `total` items to show its progress."""

    def __call__(self, items: Iterable[T], description: str, total: int, /) -> Iterable[T]: ...


def track(items: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Yields the items and shows on standard error how many of `total` are done."""
    from rich.progress import track as rich_track

    from slr_accel.terminal import Terminal

    console = Terminal(stderr=True)
    if not console.is_terminal:
        return _with_lines(items, description, total)
    return rich_track(items, description, total, console=console, transient=True)


def untracked(items: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Used in place of `track` where nothing is to be shown."""
    return items


def _with_lines(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    said = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - said > LINE_SECONDS:
            said = time.monotonic()
            print(f"{description}: {done:,} of {total:,}", file=sys.stderr)
        yield item
