"""Checks the rows of an index, each of which names a sequence; every problem has its line."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.corpus.sequence import UNKNOWN_SIGNER, Segment, Sequence
from slr_accel.corpus.split_names import SPLIT_NAME
from slr_accel.importers.dev_split import DevShare
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.label_checks import odd_names
from slr_accel.importers.listing import MAX_FPS, Problems
from slr_accel.importers.made_columns import with_ids, with_splits
from slr_accel.importers.spans import WHOLE, Span, parse_span
from slr_accel.importers.units import frame_size_of_row

MEDIA = {"features": "manifest", "audio": "speech", "video": "video"}
"""{column that names files: the importer that reads them}"""
COLUMNS = (
    "id",
    "split",
    "signer",
    "labels",
    "segments",
    "text",
    "fps",
    "start",
    "end",
    "frame_size",
)
MEANT_AS_LIST = re.compile(r"""\[\s*(["'].*|[^][]*,[^][]*\]|\])""", re.DOTALL)
"""Brackets with quotes, commas or nothing in them; `[UNKNOWN]` and `[red]NEW` are labels."""
MOST_SHOWN = 9


@dataclass(frozen=True)
class IndexRow:
    """What an index, or an annotation file, says about a sequence."""

    where: str
    """FILE:LINE"""
    id: str
    split: str
    signer: str
    labels: list[str]
    parts: tuple[str, ...] = ()
    """The files it names, FILE or FILE#KEY of features, which are joined in time."""
    medium: str = "features"
    """The column, one of MEDIA, that names them."""
    segments: list[Segment] = field(default_factory=list)
    text: str | None = None
    fps: float | None = None
    span: Span = WHOLE
    """The part of the recording that it names."""
    frame_size: tuple[float, float] | None = None
    """Width and height of the picture in pixels."""

    def sequence(
        self,
        features: np.ndarray,
        presence: np.ndarray,
        segments: list[Segment] | None = None,
        seen: np.ndarray | None = None,
        frame_size: tuple[float, float] | None = None,
    ) -> Sequence:
        """The row's sequence with these values; `segments` take the place of the row's own."""
        return Sequence(
            self.id,
            self.split,
            self.signer,
            features,
            presence,
            self.labels,
            self.segments if segments is None else segments,
            self.text,
            seen,
            frame_size,
        )


def unlabelled_row(path: Path, id: str, part: str, medium: str) -> IndexRow:
    """A file without an index; it belongs to the split `test`. White space in its id becomes _."""
    id = "_".join(id.split())
    return IndexRow(str(path), id, "test", UNKNOWN_SIGNER, [], (part,), medium)


def read_index(
    path: Path,
    problems: Problems,
    media: tuple[str, ...] = ("features",),
    times: str = "s",
    share: DevShare | None = None,
) -> list[IndexRow]:
    """Reads all rows; what is wrong goes to `problems`, and such rows are left out.

    Args:
        media: those of MEDIA that the importer reads; a row has one of them.
        times: the unit of `start` and `end` where they are mere numbers.
        share: how rows are divided where none has a split; with it ids may be left out, too.
    """
    # Of several media a csv file may have either; its rows report where both are missing.
    own = () if share else ("id", "split")
    needed = (*own, *(media if len(media) == 1 else ()))
    read = (*COLUMNS, *media)
    fields = read_fields(path, needed, read, problems)
    note_unread(path, fields, read, problems)
    if share:
        fields = with_splits(with_ids(fields, media[0]), share, problems)
    parsed = [parse_row(*row, problems, media, times) for row in fields]
    rows = [row for row in parsed if row is not None]
    problems.notes += odd_names((n for row in rows for n in row.labels), (r.split for r in rows))
    return rows


def note_unread(
    path: Path, rows: list[tuple[str, dict[str, Any]]], read: tuple[str, ...], problems: Problems
) -> None:
    """Notes keys that are not read: the user's own, or a wrong name such as `gloss` for labels."""
    unread = [
        key for key in dict.fromkeys(key for _, row in rows for key in row) if key not in read
    ]
    if unread:
        shown = [*unread[:MOST_SHOWN], *(["..."] if len(unread) > MOST_SHOWN else [])]
        problems.notes.append(
            f"{path.name}: not read: {', '.join(shown)}; what is read: {', '.join(read)}"
        )


def parse_row(
    where: str,
    fields: dict[str, Any],
    problems: Problems,
    media: tuple[str, ...] = ("features",),
    times: str = "s",
) -> IndexRow | None:
    """Parses a row's fields; None where something is wrong, which goes to `problems`."""
    before = len(problems.messages)
    check_id_and_split(where, fields, problems)
    medium, parts = _parse_parts(where, fields, media, problems)
    row = IndexRow(
        where=where,
        id=str(fields.get("id")),
        split=str(fields.get("split")),
        signer=parse_signer(where, fields.get("signer"), problems),
        medium=medium,
        parts=parts,
        labels=parse_labels(where, fields.get("labels"), problems),
        segments=_parse_segments(where, fields.get("segments"), problems),
        text=None if _is_nothing(fields.get("text")) else str(fields["text"]),
        fps=parse_fps(where, fields.get("fps"), problems),
        span=parse_span(where, fields, times, problems),
        frame_size=frame_size_of_row(where, fields.get("frame_size"), problems),
    )
    if row.segments and not row.span.is_whole:
        problems.add(where, "has `segments` and `start` or `end`; give one of both")
    return row if len(problems.messages) == before else None


def check_id_and_split(where: str, fields: dict[str, Any], problems: Problems) -> None:
    for key in ("id", "split"):
        value = fields.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            problems.add(where, f'`{key}` is {value}, a number; write it in quotes, "{value}"')
        elif not isinstance(value, str) or not value.strip():
            problems.add(where, f"`{key}` is missing, empty or not a text")
    if isinstance(fields.get("split"), str) and not SPLIT_NAME.fullmatch(fields["split"]):
        problems.add(where, f"`split` is {fields['split']!r}; use letters, digits, _ and -")


def parse_signer(where: str, value: Any, problems: Problems) -> str:
    """A name or a number; `unknown` where there is none."""
    if _is_nothing(value):
        return UNKNOWN_SIGNER
    if not isinstance(value, str | int) or isinstance(value, bool):
        problems.add(where, f"`signer` is {value!r}; give a name in quotes")
    return str(value).strip() or UNKNOWN_SIGNER


def _is_nothing(value: Any) -> bool:
    """Whether it is None; or NaN, which tables have where a cell is empty."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _parse_parts(
    where: str, fields: dict[str, Any], media: tuple[str, ...], problems: Problems
) -> tuple[str, tuple[str, ...]]:
    """(medium, what it names)"""
    wanted = " or ".join(f"`{name}`" for name in media)
    given = [name for name in MEDIA if fields.get(name)]
    own = [name for name in given if name in media]
    medium = (own or media)[0]
    value = fields.get(medium)
    if isinstance(value, str):
        value = _listed(value)
    if given and not own:
        problems.add(where, f"has `{given[0]}`; give {wanted}, or use `prepare {MEDIA[given[0]]}`")
    elif len(own) > 1:
        problems.add(where, f"has both {' and '.join(own)}; give one of them")
    elif not isinstance(value, list) or not value or not all(map(_is_text, value)):
        file = "FILE, FILE#KEY" if medium == "features" else "FILE"
        problems.add(where, f"{wanted} is missing or no text; give {file} or a list of them")
    else:
        return medium, tuple(part.strip() for part in value)
    return medium, ()


def _listed(cell: str) -> Any:
    """Splits a csv cell that holds a list, as JSON or with `;` between."""
    if cell.startswith("["):
        # The name of a file may begin with a bracket, too.
        with suppress(ValueError, RecursionError):
            return json.loads(cell)
    return cell.split(";")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def parse_labels(where: str, value: Any, problems: Problems) -> list[str]:
    """A text with spaces between, or a list of texts, also as JSON; [] where there are none."""
    if value is None:
        return []
    if isinstance(value, str):
        if not MEANT_AS_LIST.fullmatch(value.strip()):
            return value.split()
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, list) and "" in value:
        problems.add(where, "`labels` holds an empty one; leave it out")
        return []
    if not isinstance(value, list) or not all(map(_is_text, value)):
        problems.add(
            where, '`labels` is neither a text nor a list of texts; a list is ["GOOD", "DAY"]'
        )
        return []
    # Transcripts and CTM files are read back by their spaces.
    spaced = [label for label in value if len(label.split()) > 1 or label.strip() != label]
    if spaced:
        problems.add(where, f"label {spaced[0]!r} holds white space; join its words with - or _")
        return []
    return value


def _parse_segments(where: str, value: Any, problems: Problems) -> list[Segment]:
    with suppress(ValueError, TypeError, OverflowError, RecursionError):
        parsed = json.loads(value) if isinstance(value, str) else value or []
        segments = [Segment(int(start), int(end), str(label)) for start, end, label in parsed]
        # A fraction is no frame number; it may be seconds.
        are_frames = all(float(time).is_integer() for row in parsed for time in row[:2])
        in_order = all(0 <= s.start < s.end and s.label.split() == [s.label] for s in segments)
        if are_frames and in_order:
            return segments
    problems.add(
        where,
        "`segments` is a list of [start_frame, end_frame, label], whole numbers with 0 <= start < "
        "end, and labels without white space",
    )
    return []


def parse_fps(where: str, value: Any, problems: Problems) -> float | None:
    """Frames per second; None where there are none. What is wrong goes to `problems`."""
    with suppress(TypeError, ValueError, OverflowError):
        fps = None if value is None else float(value)
        if fps is None or 0 < fps < MAX_FPS:
            return fps
    problems.add(where, f"`fps` is {value!r}; give frames per second, a number above 0")
    return None
