"""`slr-accel prepare pose`: makes a corpus of .pose files in an index or a folder."""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.dev_split import add_dev_share, assign_splits
from slr_accel.importers.index import IndexRow, note_unread, one_rate, parse_row, unlabelled_row
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.listing import Item, Listing, Problems
from slr_accel.importers.pose_files import LAYOUT, Header, pose_format, read_header, read_pose

ROUNDING = 1e-6
"""In frames; with it 1160 ms at 25 fps are frame 29."""
COLUMNS = ("path", "glosses", "id", "split", "start", "end", "signer", "text")
READ = (*COLUMNS, "labels", "words")
"""Includes the other names of `glosses` and `text`."""
DESCRIPTION = """\
Makes a corpus from .pose files (github.com/sign-language-processing/pose) of MediaPipe Holistic,
named by a csv with these columns:

  path        of the .pose file, relative to the csv; the only required column
  glosses     labels, with spaces between (or `labels`)
  id          [the path without .pose]
  split       [train or dev, as --dev_share says]
  start, end  milliseconds to cut the file at; end 0, or beyond it, is its end
  also        signer, text (or `words`)

or all .pose files below a folder, without labels, as the split `test`: `slr-accel predict RUN
--split test` transcribes them.

x and y are divided by the width and height in the file; z is in widths already. The pose keeps its
confidence, and is present where any of its points has a confidence above 0; hands and face are
present where all points have. Of the 478 points of a refined face the last 10, the irises, are left
out. POSE_WORLD_LANDMARKS is not used. All files must have one frame rate: --only selects rows.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--index", type=Path, help="csv (or jsonl) file")
    source.add_argument("--folder", type=Path, help="holds .pose files, without labels")
    parser.add_argument(
        "--only", metavar="COLUMN=VALUE", help="use only rows of the index with this value [all]"
    )
    add_dev_share(parser)


def list_sequences(args: argparse.Namespace) -> Listing:
    if args.index:
        return list_pose(args.index, only=args.only, dev_share=args.dev_share)
    if args.only:
        raise ValueError("--only chooses rows of an --index; a --folder is read as a whole")
    return list_pose_folder(args.folder)


def list_pose(index: Path, *, only: str | None = None, dev_share: float = 0.2) -> Listing:
    """Lists the sequences of an index.

    Args:
        only: COLUMN=VALUE, which selects rows.
        dev_share: share of the rows without a split that are for validation.

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
    split_of = assign_splits(unsplit, dev_share)
    rows = [replace(row, split=split_of.get(row.id, row.split)) for row in rows]
    if not rows:
        problems.raise_if_any()
        raise ValueError(f"{index}: has no rows" + (f" with {only}" if only else ""))
    listing = _listing(index.parent, rows, cuts, problems, choice="--only COLUMN=VALUE")
    return replace(
        listing, files=(index,), source={**listing.source, "only": only, "dev_share": dev_share}
    )


def list_pose_folder(folder: Path) -> Listing:
    """Lists every .pose file below a folder, as the unlabelled split `test`.

    Raises:
        ValueError: there is none, or pose-format is not installed.
    """
    pose_format()
    paths = sorted(path.relative_to(folder) for path in folder.rglob("[!.]*.pose"))
    if not paths:
        raise ValueError(f"{folder}: no such folder, or no .pose files in it")
    rows = [
        unlabelled_row(folder / path, path.with_suffix("").as_posix(), str(path), "features")
        for path in paths
    ]
    return _listing(folder, rows, [(0, 0)] * len(rows), Problems())


def _chosen(index: Path, only: str | None, problems: Problems) -> list[tuple[str, dict[str, Any]]]:
    """The rows of the index that `only` selects."""
    rows = read_fields(index, COLUMNS[:1], COLUMNS, problems)
    if only is None:
        return rows
    column, equals, value = only.partition("=")
    known = sorted({key for _, fields in rows for key in fields})
    if not equals or column not in known:
        raise ValueError(f"--only is {only!r}; give COLUMN=VALUE, COLUMN one of {', '.join(known)}")
    return [(where, fields) for where, fields in rows if str(fields.get(column)) == value]


def _as_row(fields: dict[str, Any]) -> dict[str, Any]:
    """Renames the columns of this importer's index to those of all indexes."""
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
    with suppress(TypeError, ValueError, OverflowError):
        start, end = float(fields.get("start") or 0), float(fields.get("end") or 0)
        if 0 <= start < math.inf and (end == 0 or start < end < math.inf):
            return start, end
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
        # Reading the file reports what is wrong with it: it may be skipped.
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
    return row.sequence(features[frames], presence[frames])
