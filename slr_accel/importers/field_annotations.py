"""Reads the annotations of public corpora: which recording has which split, signer and labels.

Tables (PHOENIX, Isharah, GSL, CSL-Daily, Kaggle's train.csv), pickles (`field_pickles`), ELAN
(`elan`) and an index of our own all become rows that name their recording.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.corpus.split_names import split_in_name
from slr_accel.importers.dev_split import add_by_signer, add_dev_share
from slr_accel.importers.listing import Problems
from slr_accel.importers.text_tables import TABLES, delimiter_of, read_text

COLUMNS = {
    "name": (
        "features",
        "path",
        "name",
        "id",
        "video_id",
        "video",
        "file",
        "filename",
        "SENTENCE_NAME",
    ),
    "labels": (
        "labels",
        "glosses",
        "gloss",
        "annotation",
        "orth",
        "sign",
        "phrase",
        "label",
        "SENTENCE",
    ),
    "signer": ("signer", "speaker", "participant_id", "signer_id"),
    "text": ("text", "translation", "char"),
    "split": ("split",),
    "part": ("sequence_id",),
    "fps": ("fps",),
}
"""{what is read: its names in tables, the first that is there}"""
KNOWN = {name for names in COLUMNS.values() for name in names}
SUFFIXES = (*TABLES, ".jsonl", ".eaf")


@dataclass(frozen=True)
class Annotation:
    """What annotations say about a recording."""

    where: str
    """FILE:LINE, or the like"""
    name: str
    """The recording, as the file names it: an id, or a path."""
    labels: list[str] = field(default_factory=list)
    split: str | None = None
    signer: str = UNKNOWN_SIGNER
    text: str | None = None
    part: str | None = None
    """The sequence, where a file holds several."""
    marks: tuple[tuple[float, float, str], ...] = ()
    """(start, end, label) of signs, in seconds."""
    fps: float | None = None


def read_annotations(
    paths: Iterable[Path], problems: Problems, *, tier: str | None = None
) -> list[Annotation]:
    """Reads files of annotations; what is wrong with one row goes to `problems`.

    Args:
        paths: files; one with names and splits alone (CSL-Daily's split_1.txt) divides the others.
        tier: the tier of ELAN files that has the glosses.

    Raises:
        ValueError: a file cannot be read at all.
    """
    found: dict[str, Annotation] = {}
    split_of: dict[str, str] = {}
    for path in paths:
        if not path.is_file():
            raise ValueError(f"{path}: no such file of annotations")
        divides = _is_split_table(path)
        for row in _read(path, tier, problems):
            if row.split and not row.labels and divides:
                split_of[row.name] = row.split
                continue
            key = f"{row.name} {row.part or ''}"
            first = found.setdefault(key, row)
            if first.labels != row.labels or (row.split and first.split not in (None, row.split)):
                problems.add(
                    row.where, f"{row.name} has another split or labels than at {first.where}"
                )
    rows = list(found.values())
    if split_of:
        missing = [row.name for row in rows if row.name not in split_of]
        if missing:
            problems.notes.append(
                f"{len(missing)} annotated recordings are in no split, not read: "
                f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
            )
        rows = [replace(row, split=split_of[row.name]) for row in rows if row.name in split_of]
    if not rows:
        problems.raise_if_any()
        raise ValueError(f"{', '.join(map(str, paths))}: no annotations with labels in it")
    return rows


def add_annotations(parser: argparse.ArgumentParser, recordings: str) -> None:
    """Adds --annotations and what belongs to it; `recordings` names what they are of."""
    parser.add_argument(
        "--annotations",
        nargs="+",
        type=Path,
        metavar="FILE",
        help=f"splits, signers and labels of {recordings}, as public corpora have them",
    )
    parser.add_argument("--tier", help="tier of ELAN files with the glosses [named so]")
    add_dev_share(parser)
    add_by_signer(parser)


def annotation_files(paths: Iterable[Path] | None) -> list[Path]:
    """The files, and those of ELAN in the folders, that --annotations name."""
    return [
        file for path in paths or () for file in (_elan_files(path) if path.is_dir() else [path])
    ]


def _elan_files(folder: Path) -> list[Path]:
    files = sorted(folder.rglob("[!.]*.eaf"))
    if not files:
        raise ValueError(f"{folder}: is a folder without files of ELAN (.eaf); name files in it")
    return files


def signer_in_name(name: str) -> str:
    """The signer of CSL-Daily's S000000_P0004_T00 and of Isharah's 04_0001; else `unknown`."""
    daily = re.search(r"S\d{6}_P(\d{4})_T\d{2}", name)
    isharah = re.fullmatch(r"(\d{2})_\d{4}", name)
    if daily:
        return str(int(daily[1]))
    return isharah[1] if isharah else UNKNOWN_SIGNER


def _is_split_table(path: Path) -> bool:
    if path.suffix.lower() not in TABLES:
        return False
    header = {cell.strip() for cell in read_text(path).split("\n", 1)[0].split("|")}
    return header == {"name", "split"}


def _read(path: Path, tier: str | None, problems: Problems) -> list[Annotation]:
    from slr_accel.importers.elan import read_elan
    from slr_accel.importers.field_pickles import read_annotation_pickle

    suffix = path.suffix.lower()
    if suffix == ".eaf":
        return [read_elan(path, tier)]
    if suffix == ".jsonl":
        return _index_rows(path, problems)
    if suffix in TABLES:
        return _table_rows(path, problems)
    return read_annotation_pickle(path)


def _index_rows(path: Path, problems: Problems) -> list[Annotation]:
    from slr_accel.importers.index import parse_fps, parse_labels, parse_signer
    from slr_accel.importers.index_file import read_fields

    rows = []
    for where, fields in read_fields(path, ("id",), ("id", "split", "labels"), problems):
        name = str(fields.get("features") or fields.get("video") or fields.get("id") or "")
        labels = parse_labels(where, fields.get("labels"), problems)
        signer = parse_signer(where, fields.get("signer"), problems)
        fps = parse_fps(where, fields.get("fps"), problems)
        text = fields.get("text")
        rows.append(Annotation(where, name, labels, fields.get("split"), signer, text, fps=fps))
    return rows


def _table_rows(path: Path, problems: Problems) -> list[Annotation]:
    from slr_accel.importers.index import parse_fps

    lines = read_text(path).splitlines()
    if not lines:
        raise ValueError(f"{path}: is empty")
    delimiter = delimiter_of(lines[0], KNOWN)
    # PHOENIX and CSL-Daily write quotes as they are, without closing them.
    if delimiter == "|":
        rows = [line.split("|") for line in lines]
    else:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    header = [cell.strip() for cell in rows[0]]
    place = {
        key: next(header.index(name) for name in names if name in header)
        for key, names in COLUMNS.items()
        if any(name in header for name in names)
    }
    first = 2
    if "name" not in place and delimiter == "|" and len(header) == 2:
        # GSL has no header.
        place, first, rows = {"name": 0, "labels": 1}, 1, [[], *rows]
    if "name" not in place or not {"labels", "split"} & set(place):
        raise ValueError(
            f"{path}:1: the header has {header}; needed is a column for the recording "
            f"({', '.join(COLUMNS['name'])}) and one for the labels "
            f"({', '.join(COLUMNS['labels'])})"
        )
    # Kaggle's train.csv is all that there is.
    own_split = None if {"split", "part"} & set(place) else split_in_name(path.name)
    found = []
    for number, cells in enumerate(rows[1:], first):
        where = f"{path}:{number}"
        if not any(map(str.strip, cells)):
            continue
        if max(place.values()) >= len(cells):
            problems.add(where, f"{len(cells)} cells, but the header has {len(header)}")
            continue
        named = {key: cells[column].strip() for key, column in place.items()}
        if not named["name"]:
            problems.add(where, "does not name its recording")
            continue
        found.append(
            Annotation(
                where,
                named["name"],
                named.get("labels", "").split(),
                named.get("split") or own_split,
                named.get("signer") or signer_in_name(named["name"]),
                named.get("text") or None,
                named.get("part"),
                fps=parse_fps(where, named.get("fps") or None, problems),
            )
        )
    return found
