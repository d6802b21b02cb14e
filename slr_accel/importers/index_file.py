"""Reads the rows of an index file, jsonl or a table, without checking their fields."""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Collection, Iterator
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any, TextIO

from slr_accel.corpus.split_names import split_in_name
from slr_accel.importers.listing import Problems
from slr_accel.importers.text_tables import TABLES, delimiter_of, read_text

SUFFIXES = (".jsonl", *TABLES)
HOW2SIGN = {
    "SENTENCE_NAME": "id",
    "VIDEO_NAME": "video",
    "START_REALIGNED": "start",
    "END_REALIGNED": "end",
    "SENTENCE": "labels",
}
"""{column of How2Sign's tables: the index's}"""
NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a |"}


def read_fields(
    path: Path, needed: Collection[str], known: Collection[str], problems: Problems
) -> list[tuple[str, dict[str, Any]]]:
    """(FILE:LINE, fields) of every row; what is wrong with one row goes to `problems`.

    Args:
        needed: columns that the header of a csv file must have, among those that are `known`.

    Raises:
        ValueError: it is no such file, or has no rows.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such index file")
    if not path.is_file():
        raise ValueError(f"{path}: is a folder; name the .jsonl or .csv file in it")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: an index is a .jsonl or a .csv file (or .tsv, .txt)")
    rows = list(_lines(path, needed, known, problems))
    if not rows and not problems.messages:
        raise ValueError(f"{path}: has no rows")
    return rows


def _lines(
    path: Path, needed: Collection[str], known: Collection[str], problems: Problems
) -> Iterator[tuple[str, dict[str, Any]]]:
    # newline: cells may hold line breaks, which are reported.
    file = io.StringIO(read_text(path), newline="")
    if path.suffix.lower() in TABLES:
        yield from _csv_lines(path, file, needed, known, problems)
    else:
        yield from _json_lines(path, file, known, problems)


def _csv_lines(
    path: Path, file: TextIO, needed: Collection[str], known: Collection[str], problems: Problems
) -> Iterator[tuple[str, dict[str, Any]]]:
    first = file.readline()
    if first.lower().startswith("sep="):
        # Excel's hint to itself; a blank line keeps the numbers of the others.
        first = file.readline()
        file = io.StringIO("\n" + first + file.read(), newline="")
    delimiter = delimiter_of(first, {*known, *HOW2SIGN})
    file.seek(0)
    rows = _csv_rows(path, file, delimiter)
    header = [name.strip() for name in next(rows, ("", []))[1]]
    if set(HOW2SIGN) <= set(header):
        yield from _how2sign_lines(path, header, rows)
        return
    _check_header(path, header, needed, known)
    for where, cells in rows:
        if any("\n" in cell or "\r" in cell for cell in cells):
            # A stray quote would swallow the rows below it; no column needs a line break.
            problems.add(
                where,
                "a cell continues on the next line; is a double quote not closed? Replace line "
                "breaks in a text by spaces",
            )
        elif len(cells) > len(header):
            problems.add(
                where,
                f"more cells than the {len(header)} of the header; put cells that hold "
                f"{NAMES[delimiter]} between double quotes",
            )
        else:
            named = zip(header, (cell.strip() for cell in cells), strict=False)
            yield where, {key: cell for key, cell in named if cell}


def _how2sign_lines(
    path: Path, header: list[str], rows: Iterator[tuple[str, list[str]]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of How2Sign's tables, whose videos are named without their suffix."""
    split = split_in_name(path.name) or "train"
    for where, cells in rows:
        named = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        fields = {own: named[name] for name, own in HOW2SIGN.items() if named.get(name)}
        video = fields.get("video", "")
        found = sorted(path.parent.glob(f"{escape(video)}.*")) if video else []
        file = found[0].name if found else f"{video}.mp4"
        yield where, {**fields, "video": file, "split": split, "text": fields.get("labels")}


def _check_header(
    path: Path, header: list[str], needed: Collection[str], known: Collection[str]
) -> None:
    missing = sorted(set(needed) - set(header))
    if missing:
        raise ValueError(
            f"{path}:1: the header has {header}, without {', '.join(missing)}; an index needs "
            f"a header, with commas, semicolons or tabs between, of some of {', '.join(known)}"
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ValueError(f"{path}:1: the header names {', '.join(twice)} twice")
    for name in header:
        meant = _meant(name, tuple(known), header)
        if meant:
            raise ValueError(f"{path}:1: unknown column {name!r}; did you mean {meant}?")


def _csv_rows(path: Path, file: TextIO, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """(FILE:LINE of its beginning, cells) of every row, the header first."""
    # `strict` refuses spaces after a closing quote; `skipinitialspace` leaves them.
    end = re.compile(rf'(?<!")"[ \t]+(?={re.escape(delimiter)}|\r?\n?$)')
    lines = (end.sub('"', line) for line in file) if delimiter != "\t" else file
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    last = 0
    try:
        for cells in reader:
            if cells:
                yield f"{path}:{last + 1}", cells
            last = reader.line_num
    except csv.Error as error:
        raise ValueError(
            f"{path}:{last + 1}: not readable as csv ({error}); a cell that begins with a double "
            "quote ends with one, and has those within it doubled"
        ) from None


def _meant(name: str, known: tuple[str, ...], given: Collection[str]) -> str | None:
    """The known column, not `given` itself, that a name seems to be a misspelling of."""
    return next((column for column in _like(name, known) if column not in given), None)


@cache
def _like(name: str, known: tuple[str, ...]) -> list[str]:
    """Known columns like a name; `fs` and `sign` may be the user's own, not fps and signer."""
    if name in known:
        return []
    name = name.lower()
    near = difflib.get_close_matches(name, known, len(known), 0.85) if len(name) > 4 else []
    return [column for column in known if column.rstrip("s") == name.rstrip("s")] or near


def _json_lines(
    path: Path, file: TextIO, known: Collection[str], problems: Problems
) -> Iterator[tuple[str, dict[str, Any]]]:
    reported: set[str] = set()
    is_first = True
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        where = f"{path}:{line}"
        if is_first:
            _check_form(path, where, text.strip())
        is_first = False
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            problems.add(where, f"not a JSON object ({error})")
            continue
        if not isinstance(fields, dict):
            problems.add(where, f"not a JSON object but a {type(fields).__name__}")
            continue
        for name in fields:
            meant = _meant(name, tuple(known), fields)
            if meant and name not in reported:
                reported.add(name)
                problems.add(where, f"unknown key {name!r}; did you mean {meant}?")
        yield where, fields


def _check_form(path: Path, where: str, first: str) -> None:
    """Raises one ValueError where the first line shows that no line is an object."""
    if first.startswith("["):
        raise ValueError(
            f"{path}: is one JSON array; needed is one object a line, without brackets around all "
            "and commas between"
        )
    if first == "{":
        raise ValueError(
            f"{where}: not a JSON object but the first line of one; needed is one object a line"
        )
