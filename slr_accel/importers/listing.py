"""What an importer finds in a source: the contract between importers and `build_corpus`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.layouts.layout import Layout
from slr_accel.progress import Progress

MAX_SHOWN = 20


class Problems:
    """Collects what is wrong, so that a user sees all of it at once."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.notes: list[str] = []
        """What need not be repaired; see `Listing.notes`."""

    def add(self, where: str, message: str) -> None:
        """`where` is FILE, FILE:LINE or the like."""
        self.messages.append(f"{where}: {message}")

    def raise_if_any(self, advice: str = "") -> None:
        """ValueError with the first problems, and how many more there are."""
        if not self.messages:
            return
        shown = self.messages[:MAX_SHOWN]
        if len(self.messages) > MAX_SHOWN:
            shown.append(f"... and {len(self.messages) - MAX_SHOWN} more")
        count = len(self.messages)
        raise ValueError(
            f"{count} problem{'s' if count > 1 else ''}, nothing was written:\n  "
            + "\n  ".join([*shown, *([advice] if advice else [])])
        )


@dataclass(frozen=True)
class Item:
    """One sequence that can be read."""

    id: str
    where: str
    """Where it stands in the source, for messages: `index.jsonl:12`, `MP_Data/hello/3`."""
    read: Callable[[], Sequence]
    """Gives the same sequence whenever it is called; ValueError says what is wrong with it."""
    files: tuple[Path, ...] = ()
    """What it is read from."""


@dataclass(frozen=True)
class Listing:
    """Everything a source holds, in a fixed order, before any of it is read."""

    importer: str
    layout: Layout
    frames_per_second: float | None
    """None where the source does not say."""
    items: list[Item]
    source: dict[str, Any] = field(default_factory=dict)
    """Provenance: options, and versions of what reads the source."""
    notes: list[str] = field(default_factory=list)
    """What a user should know and need not repair; shown, and kept with the provenance."""
    files: tuple[Path, ...] = ()
    """What was read to make this list: indexes, annotations, layouts."""
    root: Path = Path()
    """Files are recorded by their names from here."""
    checksums: dict[str, str] | None = None
    """{file: SHA-256} of the sources, where they are known already; None reads the files."""
    dtype: str | None = None
    """Storage dtype of generated values, which need no checking pass; None checks all that is read
    and chooses the smallest that loses nothing that matters."""
    problems: Problems = field(default_factory=Problems)
    """What is wrong with the list itself. None of it can be skipped."""
    fetch: Callable[[list[Item], Progress], None] | None = None
    """Slow work for some items, done once before they are read; it keeps its results itself."""
    preview: Callable[[Corpus, Path], None] | None = None
    """Draws a picture (png) of the finished corpus."""
