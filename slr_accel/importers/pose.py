"""`slr-accel prepare pose`: .pose files, named by an index or in a folder, become a corpus."""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from slr_accel.corpus.sequence import UNKNOWN_SIGNER, Sequence
from slr_accel.importers.index import IndexRow, note_unread, one_rate, parse_row
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.listing import Item, Listing, Problems
from slr_accel.importers.pose_files import (
    LAYOUT,
    Header,
    pose_format,
    read_header,
    read_pose,
)
from slr_accel.importers.splitting import add_dev_share, divide

ROUNDING = 1e-6
"""Frames; so that 1160 ms at 25 fps are frame 29."""
COLUMNS = ("path", "glosses", "id", "split", "start", "end", "signer", "text")
READ = (*COLUMNS, "labels", "words")
"""With the other names of `glosses` and `text`."""
DESCRIPTION = """\
Makes a corpus from .pose files (github.com/sign-language-processing/pose) of MediaPipe Holistic,
named by a csv with these columns:

  path        of the .pose file, from the csv; the only column that must be there
  glosses     labels, with spaces between (or `labels`)
  id          [the path without .pose]
  split       [train or dev, as --dev_share says]
  start, end  milliseconds to cut the file at; end 0, or beyond it, is its end
  also        signer, text (or `words`)

or all .pose files below a folder, without labels, as the split `test`: `slr-accel predict RUN
--split test` transcribes them.

x and y are divided by the width and height in the file; z stays, which pose-format leaves in widths
as MediaPipe has it. The pose keeps its confidence, and is present where any of its points has some;
hands and face are where all have. Of the 478 points of a refined face the last 10, the irises, are
left out. POSE_WORLD_LANDMARKS is not used. All files must have one frame rate: --only picks rows.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--index", type=Path, help="csv (or jsonl) file")
    source.add_argument("--folder", type=Path, help="holds .pose files, without labels")
    parser.add_argument(
        "--only", metavar="COLUMN=VALUE", help="just rows of the index with this value [all]"
    )
    add_dev_share(parser)


def list_sequences(args: argparse.Namespace) -> Listing:
    if args.index:
        return list_pose(args.index, only=args.only, dev_share=args.dev_share)
    if args.only:
        raise ValueError("--only chooses rows of an --index; a --folder is read as a whole")
    return list_pose_folder(args.folder)


def list_pose(index: Path, *, only: str | None = None, dev_share: float = 0.2) -> Listing:
    """The sequences of an index.

    Args:
        only: COLUMN=VALUE, which a row must have to be taken.
        dev_share: of the rows that have no split, how many are for validation.

    Raises:
        ValueError: the index cannot be read at all, or pose-format is not installed.
    """
    pose_format()
    problems = Problems()
    rows: list[IndexRow] = []
    cuts: list[tuple[float, float]] = []
    unsplit: dict[str, list[str]] = {}
    chosen = _chosen(index, only, problems)
    note_unread(index, chosen, READ, problems)
    for where, fields in chosen:
        if not isinstance(fields.get("path"), str) or not fields["path"].strip():
            problems.add(where, "`path` is missing; name a .pose file")
            continue
        cut = _cut(where, fields, problems)
        row = parse_row(where, _as_row(fields), problems)
        if row is None or cut is None:
            continue
        if "split" not in fields:
            unsplit[row.id] = row.labels
        rows.append(row)
        cuts.append(cut)
    split_of = divide(unsplit, dev_share)
    rows = [replace(row, split=split_of.get(row.id, row.split)) for row in rows]
    if not rows:
        problems.raise_if_any()
        raise ValueError(f"{index}: has no rows" + (f" with {only}" if only else ""))
    listing = _listing(index.parent, rows, cuts, problems, choice="--only COLUMN=VALUE")
    return replace(
        listing, files=(index,), source={**listing.source, "only": only, "dev_share": dev_share}
    )


def list_pose_folder(folder: Path) -> Listing:
    """Every .pose file below a folder, as the unlabelled split `test`.

    Raises:
        ValueError: there is none, or pose-format is not installed.
    """
    pose_format()
    paths = sorted(path.relative_to(folder) for path in folder.rglob("[!.]*.pose"))
    if not paths:
        raise ValueError(f"{folder}: no such folder, or no .pose files in it")
    rows = [
        IndexRow(
            where=str(folder / path),
            id="_".join(path.with_suffix("").as_posix().split()),
            split="test",
            signer=UNKNOWN_SIGNER,
            medium="features",
            parts=(str(path),),
            labels=[],
            segments=[],
            text=None,
            fps=None,
        )
        for path in paths
    ]
    return _listing(folder, rows, [(0, 0)] * len(rows), Problems())


def _chosen(index: Path, only: str | None, problems: Problems) -> list[tuple[str, dict[str, Any]]]:
    """The rows of the index that are asked for."""
    rows = read_fields(index, COLUMNS[:1], COLUMNS, problems)
    if only is None:
        return rows
    column, equals, value = only.partition("=")
    known = sorted({key for _, fields in rows for key in fields})
    if not equals or column not in known:
        raise ValueError(f"--only is {only!r}; give COLUMN=VALUE, COLUMN one of {', '.join(known)}")
    return [(where, fields) for where, fields in rows if str(fields.get(column)) == value]


def _as_row(fields: dict[str, Any]) -> dict[str, Any]:
    """The columns of this importer's index, by the names that all indexes share."""
    return {
        "id": Path(fields["path"]).with_suffix("").as_posix(),
        "split": "train",
        "labels": fields.get("glosses"),
        "text": fields.get("words"),
        **fields,
        "features": [fields["path"]],
        "fps": None,
        "segments": None,
    }


def _cut(where: str, fields: dict[str, Any], problems: Problems) -> tuple[float, float] | None:
    """(start, end) of a row, in milliseconds."""
    try:
        start, end = float(fields.get("start") or 0), float(fields.get("end") or 0)
        if 0 <= start < math.inf and (end == 0 or start < end < math.inf):
            return start, end
    except (TypeError, ValueError, OverflowError):
        pass
    problems.add(where, "`start` and `end` are milliseconds, 0 <= start < end; end 0 is the end")
    return None


def _listing(
    folder: Path,
    rows: list[IndexRow],
    cuts: list[tuple[float, float]],
    problems: Problems,
    choice: str = "",
) -> Listing:
    headers: dict[str, Header] = {}
    for row in rows:
        # What is wrong with a file is told when it is read: it may be skipped.
        with suppress(ValueError):
            headers[row.where] = read_header(folder / row.parts[0])
    known = [replace(row, fps=headers[row.where].fps) for row in rows if row.where in headers]
    refined = sum(header.is_refined for header in headers.values())
    note = f"{refined} of {len(rows)} files have 478 face points: the 10 of the irises are left out"
    return Listing(
        importer="pose",
        layout=LAYOUT,
        frames_per_second=one_rate(known, None, problems, choice),
        items=[_item(folder, row, cut) for row, cut in zip(rows, cuts, strict=True)],
        source={"pose_format": version("pose-format")},
        notes=[*problems.notes, *([note] if refined else [])],
        root=folder,
        problems=problems,
    )


def _item(folder: Path, row: IndexRow, cut: tuple[float, float]) -> Item:
    path = folder / row.parts[0]
    return Item(row.id, row.where, partial(_read, path, row, cut), (path,))


def _read(path: Path, row: IndexRow, cut: tuple[float, float]) -> Sequence:
    """One sequence. ValueError says what is wrong with its file."""
    features, presence, fps = read_pose(path)
    start, end = (math.floor(milliseconds * fps / 1000 + ROUNDING) for milliseconds in cut)
    frames = slice(start, end if cut[1] else None)
    if not len(features[frames]) and len(features):
        raise ValueError(
            f"no frame of {path.name} lies from `start` to `end`: it has {len(features)} frames, "
            f"{1000 / fps:.0f} ms each"
        )
    return Sequence(
        row.id,
        row.split,
        row.signer,
        features[frames],
        presence[frames],
        row.labels,
        row.segments,
        row.text,
    )
