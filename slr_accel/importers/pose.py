"""`slr-accel prepare pose`: makes a corpus of .pose files in an index or a folder."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.absence import fill_absent
from slr_accel.importers.dev_split import add_dev_share, assign_splits
from slr_accel.importers.index import IndexRow, note_unread, parse_row, unlabelled_row
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.label_checks import odd_names
from slr_accel.importers.listing import Item, Listing, Problems, check_fps
from slr_accel.importers.pose_files import LAYOUT, Header, pose_format, read_header, read_pose
from slr_accel.importers.rates import Rated, add_fps, at_rate, one_rate
from slr_accel.importers.spans import add_times
from slr_accel.layouts.layout import Layout

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
  start, end  the part of the file that is the sentence: milliseconds, 1.9s, 47f (frames) or
              00:00:01.900; end 0 is its end, and so is one beyond a file that is used from 0 on
  also        signer, text (or `words`)

or all .pose files below a folder, without labels, as the split `test`: `slr-accel predict RUN
--split test` transcribes them.

x, y and z become units of the frame's height, by the size in the file. A point is absent where its
confidence is 0; a block where all its points are. Of the 478 points of a refined face the last 10,
the irises, are left out. POSE_WORLD_LANDMARKS is not used. All files must have one frame rate:
--fps interpolates to it, --only selects rows.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--index", type=Path, help="csv (or jsonl) file")
    source.add_argument("--folder", type=Path, help="holds .pose files, without labels")
    parser.add_argument(
        "--only", metavar="COLUMN=VALUE", help="use only rows of the index with this value [all]"
    )
    add_fps(parser)
    add_times(parser, default="ms")
    add_dev_share(parser)


def list_sequences(args: argparse.Namespace) -> Listing:
    if args.index:
        return list_pose(
            args.index,
            only=args.only,
            dev_share=args.dev_share,
            fps=args.fps,
            times=args.times,
        )
    if args.only:
        raise ValueError("--only chooses rows of an --index; a --folder is read as a whole")
    return list_pose_folder(args.folder, fps=args.fps)


def list_pose(
    index: Path,
    *,
    only: str | None = None,
    dev_share: float = 0.2,
    fps: float | None = None,
    times: str = "ms",
) -> Listing:
    """Lists the sequences of an index.

    Args:
        only: COLUMN=VALUE, which selects rows.
        dev_share: share of the rows without a split that are for validation.
        fps: frames per second of the corpus: files of another rate are resampled.
        times: the unit of `start` and `end` where they are mere numbers.

    Raises:
        ValueError: the index cannot be read at all, or pose-format is not installed.
    """
    pose_format()
    check_fps(fps)
    problems = Problems()
    rows: list[IndexRow] = []
    unsplit: dict[str, list[str]] = {}
    chosen = _chosen(index, only, problems)
    note_unread(index, chosen, READ, problems)
    for where, fields in chosen:
        if not isinstance(fields.get("path"), str) or not fields["path"].strip():
            problems.add(where, "`path` is missing; name a .pose file")
            continue
        row = parse_row(where, _as_row(fields), problems, times=times)
        if row is None:
            continue
        if "split" not in fields:
            unsplit[row.id] = row.labels
        rows.append(row)
    split_of = assign_splits(unsplit, dev_share)
    rows = [replace(row, split=split_of.get(row.id, row.split)) for row in rows]
    if not rows:
        problems.raise_if_any()
        raise ValueError(f"{index}: has no rows" + (f" with {only}" if only else ""))
    problems.notes += odd_names((n for row in rows for n in row.labels), (r.split for r in rows))
    listing = _listing(index.parent, rows, fps, problems, choice="--only COLUMN=VALUE")
    return replace(
        listing, files=(index,), source={**listing.source, "only": only, "dev_share": dev_share}
    )


def list_pose_folder(folder: Path, fps: float | None = None) -> Listing:
    """Lists every .pose file below a folder, as the unlabelled split `test`.

    Raises:
        ValueError: there is none, or pose-format is not installed.
    """
    pose_format()
    check_fps(fps)
    paths = sorted(path.relative_to(folder) for path in folder.rglob("[!.]*.pose"))
    if not paths:
        raise ValueError(f"{folder}: no such folder, or no .pose files in it")
    rows = [
        unlabelled_row(folder / path, path.with_suffix("").as_posix(), str(path), "features")
        for path in paths
    ]
    return _listing(folder, rows, fps, Problems())


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
        "end": None if str(fields.get("end")).strip() in ("0", "0.0") else fields.get("end"),
        "features": [fields["path"]],
        "fps": None,
        "segments": None,
    }


def _listing(
    folder: Path,
    rows: list[IndexRow],
    fps: float | None,
    problems: Problems,
    choice: str = "",
) -> Listing:
    headers: dict[str, Header] = {}
    for row in rows:
        # Reading the file reports what is wrong with it: it may be skipped.
        with suppress(ValueError):
            headers[row.where] = read_header(folder / row.parts[0])
    layouts = [h.layout for h in headers.values() if h.layout is not None]
    layout = layouts[0] if layouts else LAYOUT
    known = [Rated(row.where, headers[row.where].fps) for row in rows if row.where in headers]
    refined = sum(header.is_refined for header in headers.values())
    note = f"{refined} of {len(rows)} files have 478 face points: the 10 of the irises are left out"
    return Listing(
        importer="pose",
        layout=layout,
        frames_per_second=one_rate(known, fps, problems, choice),
        items=[_item(folder, row, layout, fps) for row in rows],
        source={"pose_format": version("pose-format"), "resampled_to_fps": fps},
        notes=[*problems.notes, *([note] if refined else [])],
        root=folder,
        problems=problems,
    )


def _item(folder: Path, row: IndexRow, layout: Layout, fps: float | None) -> Item:
    path = folder / row.parts[0]
    return Item(row.id, row.where, partial(_read, path, row, layout, fps), (path,))


def _read(path: Path, row: IndexRow, layout: Layout, fps: float | None) -> Sequence:
    """One sequence. ValueError says what is wrong with its file."""
    person = read_pose(path)
    if person.layout != layout:
        raise ValueError(
            f"its points are {person.layout.signature}, but others have {layout.signature}; make a "
            "corpus of each"
        )
    count, (start, end) = len(person.features), row.span
    from_0 = start is None or start.value == 0
    # The indexes of some dictionaries have the length of the video that the file is a part of.
    is_whole = from_0 and (end is None or end.at(person.fps) >= count)
    frames = slice(None) if is_whole else row.span.frames(count, person.fps)
    features = np.ascontiguousarray(person.features[frames])
    presence, seen = fill_absent(features, layout)
    sequence = row.sequence(features, presence, seen=seen, frame_size=person.frame_size)
    return at_rate(sequence, layout, person.fps, fps)
