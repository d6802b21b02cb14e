"""How an index (jsonl or csv) is read: one checked row a sequence, every problem with its line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from slr_accel.corpus.record import UNKNOWN_SIGNER, Segment

COLUMNS = ("id", "split", "signer", "features", "labels", "segments", "text", "fps")
MAX_SHOWN = 20
MAX_FPS = 10_000
SPLIT_NAME = re.compile(r"[\w-]*[^\W_][\w-]*")


@dataclass(frozen=True)
class IndexRow:
    line: int
    id: str
    split: str
    signer: str
    features: tuple[str, ...]
    """FILE or FILE#KEY, joined in time."""
    labels: list[str]
    segments: list[Segment]
    text: str | None
    fps: float | None


class Problems:
    """Collects what is wrong, so that a user sees all of it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[str] = []

    def add(self, line: int, message: str) -> None:
        self.messages.append(f"{self.path}:{line}: {message}")

    def raise_if_any(self) -> None:
        if not self.messages:
            return
        shown = self.messages[:MAX_SHOWN]
        if len(self.messages) > MAX_SHOWN:
            shown.append(f"... and {len(self.messages) - MAX_SHOWN} more")
        count = len(self.messages)
        raise ValueError(
            f"{count} problem{'s' if count > 1 else ''}, nothing was written:\n  "
            + "\n  ".join(shown)
        )


def read_index(path: Path, problems: Problems) -> list[IndexRow]:
    """Reads all rows; what is wrong goes to `problems`, and such rows are left out."""
    if not path.exists():
        raise ValueError(f"{path}: no such index file")
    if not path.is_file():
        raise ValueError(f"{path}: is a folder; name the .jsonl or .csv file in it")
    if path.suffix.lower() not in (".jsonl", ".csv"):
        raise ValueError(f"{path}: an index is a .jsonl or a .csv file")
    rows: list[IndexRow] = []
    first_line: dict[str, int] = {}
    try:
        for line, fields in _lines(path, problems):
            row = _parse(line, fields, problems)
            if row is None:
                continue
            if row.id in first_line:
                problems.add(line, f"id {row.id!r} was used on line {first_line[row.id]}")
                continue
            first_line[row.id] = line
            rows.append(row)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{path}: not readable as csv ({error})") from None
    if not rows and not problems.messages:
        raise ValueError(f"{path}: has no rows")
    return rows


def _lines(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    # utf-8-sig: editors on Windows begin a file with a byte order mark.
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() == ".csv":
            yield from _csv_lines(path, file, problems)
        else:
            yield from _json_lines(file, problems)


def _csv_lines(
    path: Path, file: TextIO, problems: Problems
) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(file, skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or ()]
    missing = sorted({"id", "split", "features"} - set(header))
    if missing:
        raise ValueError(
            f"{path}:1: the header has {header}, without {', '.join(missing)}; a csv index needs "
            f"a comma-separated header with some of {', '.join(COLUMNS)}"
        )
    reader.fieldnames = header
    for fields in reader:
        if None in fields:
            problems.add(
                reader.line_num,
                f"more cells than the {len(header)} of the header; put cells that hold a comma "
                "between double quotes",
            )
            continue
        yield reader.line_num, {key: cell for key, cell in fields.items() if cell}


def _json_lines(file: TextIO, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            problems.add(line, f"not a JSON object ({error})")
            continue
        if isinstance(fields, dict):
            yield line, fields
        else:
            problems.add(line, f"not a JSON object but a {type(fields).__name__}")


def _parse(line: int, fields: dict[str, Any], problems: Problems) -> IndexRow | None:
    before = len(problems.messages)
    signer = fields.get("signer")
    for key in ("id", "split"):
        if not isinstance(fields.get(key), str) or not fields[key].strip():
            problems.add(line, f"`{key}` is missing or not a text")
    if isinstance(fields.get("split"), str) and not SPLIT_NAME.fullmatch(fields["split"]):
        problems.add(line, f"`split` is {fields['split']!r}; use letters, digits, _ and -")
    if any(character.isspace() for character in str(fields.get("id"))):
        problems.add(line, f"id {fields['id']!r} contains white space; CTM files cannot hold it")
    row = IndexRow(
        line=line,
        id=str(fields.get("id")),
        split=str(fields.get("split")),
        signer=str(signer) if signer not in (None, "") else UNKNOWN_SIGNER,
        features=_parse_features(line, fields, problems),
        labels=_parse_labels(line, fields.get("labels"), problems),
        segments=_parse_segments(line, fields.get("segments"), problems),
        text=str(fields["text"]) if fields.get("text") is not None else None,
        fps=_parse_fps(line, fields.get("fps"), problems),
    )
    if row.split == "train" and not row.labels:
        problems.add(line, "a sequence of the train split needs `labels`")
    return row if len(problems.messages) == before else None


def _parse_features(line: int, fields: dict[str, Any], problems: Problems) -> tuple[str, ...]:
    value = fields.get("features")
    if isinstance(value, str):
        value = _listed(value)
    if not value and "audio" in fields:
        problems.add(line, "has `audio`; this importer reads arrays, so give `features`")
    elif not isinstance(value, list) or not value or not all(map(_is_text, value)):
        problems.add(line, "`features` is missing; give FILE, FILE#KEY or a list of them")
    else:
        return tuple(part.strip() for part in value)
    return ()


def _listed(cell: str) -> Any:
    """A csv cell holds a list as JSON or with `;` between."""
    if cell.startswith("["):
        # A file's name may begin with a bracket, too.
        with suppress(ValueError):
            return json.loads(cell)
    return cell.split(";")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _parse_labels(line: int, value: Any, problems: Problems) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return value.split()
    if not isinstance(value, list) or not all(map(_is_text, value)):
        problems.add(line, "`labels` is neither a text nor a list of texts")
        return []
    # Transcripts and CTM files are read back by their spaces.
    spaced = [label for label in value if len(label.split()) > 1 or label.strip() != label]
    if spaced:
        problems.add(line, f"label {spaced[0]!r} holds white space; join its words with - or _")
        return []
    return value


def _parse_segments(line: int, value: Any, problems: Problems) -> list[Segment]:
    try:
        parsed = json.loads(value) if isinstance(value, str) else value or []
        segments = [Segment(int(start), int(end), str(label)) for start, end, label in parsed]
        if all(0 <= s.start < s.end for s in segments):
            return segments
    except (ValueError, TypeError):
        pass
    problems.add(line, "`segments` is a list of [start_frame, end_frame, label], 0 <= start < end")
    return []


def _parse_fps(line: int, value: Any, problems: Problems) -> float | None:
    try:
        fps = None if value is None else float(value)
        if fps is None or 0 < fps < MAX_FPS:
            return fps
    except (TypeError, ValueError):
        pass
    problems.add(line, f"`fps` is {value!r}; give frames per second as a number")
    return None
