"""Defines a listing: what an importer finds in a source and `build_corpus` reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.tally import Tally
from slr_accel.layouts.layout import Layout
from slr_accel.progress import Progress

MAX_SHOWN = 20
MANY = 4
"""Messages that differ in names and numbers alone are told as one from this many on."""
VARYING = re.compile(r"""(?P<quote>['"]).*?(?P=quote)|[^\s:,;()]*[\d/\\][^\s:,;()]*""")
"""What may differ between two messages of one kind: quoted texts, paths, names with digits."""
MAX_FPS = 10_000


def check_fps(fps: float | None) -> None:
    """Raises ValueError where --fps is no frame rate; None where it was not given."""
    if fps is not None and not 0 < fps < MAX_FPS:
        raise ValueError(f"--fps is {fps:g}; give frames per second, more than 0")


class Problems:
    """Collects what is wrong with a source, so that a user sees all of it at once."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.notes: list[str] = []
        """What the user need not repair; see `Listing.notes`."""

    def add(self, where: str, message: str) -> None:
        """`where` is FILE, FILE:LINE or the like."""
        self.messages.append(f"{where}: {message}")

    def raise_if_any(self, advice: str = "") -> None:
        """Raises ValueError with the first problems, and how many more there are."""
        if not self.messages:
            return
        shown, told = _grouped(self.messages)
        count = len(self.messages)
        if told < count:
            shown.append(f"... and {count - told} more")
        raise ValueError(
            f"{count} problem{'s' if count > 1 else ''}, nothing was written:\n  "
            + "\n  ".join([*shown, *([advice] if advice else [])])
        )


def _grouped(messages: list[str]) -> tuple[list[str], int]:
    """(lines to show, how many messages they tell of): equal problems share a line."""
    kinds: dict[str, list[str]] = {}
    for message in messages:
        kinds.setdefault(VARYING.sub("#", message), []).append(message)
    shown: list[str] = []
    told = 0
    for alike in kinds.values():
        if len(shown) == MAX_SHOWN:
            break
        if len(alike) < MANY:
            own = alike[: MAX_SHOWN - len(shown)]
            shown += own
            told += len(own)
            continue
        shown.append(f"{alike[0]} (and {len(alike) - 1} like it, up to {_place(alike[-1])})")
        told += len(alike)
    return shown, told


def _place(message: str) -> str:
    """The file, line or sequence that a message begins with."""
    return message.partition(": ")[0]


@dataclass(frozen=True)
class Item:
    """One sequence that can be read."""

    id: str
    where: str
    """Its place in the source, for messages: `index.jsonl:12`, `MP_Data/hello/3`."""
    read: Callable[[], Sequence]
    """Returns the same sequence at every call. Raises ValueError that says what is wrong."""
    files: tuple[Path, ...] = ()
    """The files it is read from."""


@dataclass(frozen=True)
class Listing:
    """Everything a source holds, in a fixed order, before any of it is read."""

    importer: str
    layout: Layout
    frames_per_second: float | None
    """None where the source does not say."""
    items: list[Item]
    source: dict[str, Any] = field(default_factory=dict)
    """Provenance: options, and versions of the libraries that read the source."""
    notes: list[str] = field(default_factory=list)
    """What the user should know and need not repair; shown, and kept in the provenance."""
    files: tuple[Path, ...] = ()
    """The files that were read to make this list: indexes, annotations, layouts."""
    root: Path = Path()
    """The folder that names of files are recorded relative to."""
    checksums: dict[str, str] | None = None
    """{file: SHA-256} of the sources, where already known; None reads the files."""
    dtype: str | None = None
    """The storage dtype of generated values, which need no checks; None chooses one."""
    problems: Problems = field(default_factory=Problems)
    """What is wrong with the list itself; --allow_skips does not skip it."""
    fetch: Callable[[list[Item], Progress], None] | None = None
    """Does slow work for some items once before they are read, and keeps the results."""
    absence_by_marker: bool = False
    """Whether the user said how absence is marked: then a block that is never there is an error."""
    tally: Tally | None = None
    """What is never detected, where it is known already; None counts it."""
    preview: Callable[[Corpus, Path], None] | None = None
    """Draws a picture (png) of the finished corpus."""
