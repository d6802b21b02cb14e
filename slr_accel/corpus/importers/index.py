"""How an index (jsonl or csv) is read: one checked row a sequence, every problem with its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slr_accel.corpus.record import Segment

COLUMNS = ("id", "split", "signer", "features", "labels", "segments", "text", "fps")
MAX_SHOWN = 20


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
    if not path.is_file():
        raise ValueError(f"{path}: no such index file")
    if path.suffix not in (".jsonl", ".csv"):
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
        raise ValueError(f"{path}: not UTF-8 text ({error})") from None
    if not rows and not problems.messages:
        raise ValueError(f"{path}: has no rows")
    return rows


def _lines(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            reader = csv.DictReader(file)
            missing = {"id", "features"} - set(reader.fieldnames or ())
            if missing:
                raise ValueError(
                    f"{path}:1: the header has {reader.fieldnames}, without "
                    f"{', '.join(sorted(missing))}; a csv index needs a comma-separated header "
                    f"with some of {', '.join(COLUMNS)}"
                )
            for fields in reader:
                yield reader.line_num, {k: v for k, v in fields.items() if v not in (None, "")}
            return
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                fields = json.loads(text)
                if not isinstance(fields, dict):
                    raise ValueError("not an object")
            except ValueError as error:
                problems.add(line, f"not a JSON object ({error})")
                continue
            yield line, fields


def _parse(line: int, fields: dict[str, Any], problems: Problems) -> IndexRow | None:
    before = len(problems.messages)
    for key in ("id", "split"):
        if not isinstance(fields.get(key), str) or not fields[key].strip():
            problems.add(line, f"`{key}` is missing or not a text")
    row = IndexRow(
        line=line,
        id=str(fields.get("id")),
        split=str(fields.get("split")),
        signer=str(fields.get("signer") or "unknown"),
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
        # A csv cell holds a list as JSON or with `;` between.
        value = json.loads(value) if value.startswith("[") else value.split(";")
    if not value and "audio" in fields:
        problems.add(line, "has `audio`; this importer reads arrays, so give `features`")
    elif not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        problems.add(line, "`features` is missing; give FILE, FILE#KEY or a list of them")
    else:
        return tuple(part.strip() for part in value)
    return ()


def _parse_labels(line: int, value: Any, problems: Problems) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return value.split()
    if isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value):
        return value
    problems.add(line, "`labels` is neither a text nor a list of texts")
    return []


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
        if fps is None or 0 < fps < 10_000:
            return fps
    except (TypeError, ValueError):
        pass
    problems.add(line, f"`fps` is {value!r}; give frames per second as a number")
    return None
