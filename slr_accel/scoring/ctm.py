"""Writes recognised words and their times as a CTM file for NIST's sclite.

One line a word, `id channel start duration word`, times in seconds (sctk, doc/infmts.htm, "CTM").
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

CHANNEL = "1"


class CtmRow(NamedTuple):
    """One recognised word of a sequence; `start` and `duration` in seconds."""

    id: str
    start: float
    duration: float
    token: str


def write_ctm(path: Path, rows: Iterable[CtmRow]) -> None:
    """Writes the rows sorted by id (by code point, as `LC_ALL=C sort` does), then start.

    Words of a sequence that start together keep their order. A sequence without words has no line.
    ValueError, before anything is written, for an id or token that would not be one CTM field.
    """
    rows = sorted(rows, key=attrgetter("id", "start"))
    for row in rows:
        _check_fields(row)
    lines = [f"{r.id} {CHANNEL} {r.start:.3f} {r.duration:.3f} {r.token}\n" for r in rows]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def _check_fields(row: CtmRow) -> None:
    if len(row.id.split()) != 1 or row.id.split()[0] != row.id:
        raise ValueError(
            f"the sequence id {row.id!r} is empty or contains a space, which a CTM cannot hold: "
            "rename the sequence when preparing the corpus"
        )
    if len(row.token.split()) != 1 or row.token.split()[0] != row.token:
        raise ValueError(
            f"sequence {row.id!r}: the token {row.token!r} is empty or contains a space, which a "
            "CTM cannot hold: write it as one word, e.g. with hyphens, or as several tokens"
        )
