"""Reads RWTH-PHOENIX annotation files: lines of cells with `|` between, under a header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.importers.index import IndexRow
from slr_accel.importers.listing import Problems


def read_annotations(
    path: Path, split: str, columns: Mapping[str, str], problems: Problems
) -> list[IndexRow]:
    """Reads all lines; what is wrong goes to `problems`, and such lines are left out.

    Args:
        columns: the file's names for `id`, `signer`, `labels` and, where it has it, `text`.
    """
    text = _decode(path, problems)
    if text is None:
        return []
    lines = text.replace("\r\n", "\n").split("\n")
    header = [name.strip() for name in lines[0].split("|")]
    missing = [name for name in columns.values() if name not in header]
    if missing:
        problems.add(
            f"{path}:1",
            f"the header is {lines[0].strip()[:80]!r}, without {', '.join(missing)}; needed are "
            f"the columns {'|'.join(columns.values())}, with | between, as the release has them",
        )
        return []
    rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("|")
        where = f"{path}:{number}"
        if not line.strip():
            continue
        if len(cells) != len(header):
            problems.add(where, f"{len(cells)} cells, but the header has {len(header)}")
            continue
        named = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        if not named[columns["id"]]:
            problems.add(where, f"`{columns['id']}` is empty")
            continue
        own = {key: named[name] for key, name in columns.items()}
        signer = own["signer"] or UNKNOWN_SIGNER
        labels = own["labels"].split()
        rows.append(IndexRow(where, own["id"], split, signer, labels, text=own.get("text")))
    if not any(line.strip() for line in lines[1:]):
        problems.add(str(path), "has no annotations below its header")
    return rows


def _decode(path: Path, problems: Problems) -> str | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.add(str(path), f"not readable ({error.strerror}); give the release's folder")
        return None
    try:
        # utf-8-sig: editors on Windows begin a file with a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.add(
            f"{path}:{line}",
            f"not UTF-8 text ({error.reason}); take the file of the release, or convert it with "
            "`iconv -f latin1 -t utf-8`",
        )
        return None
