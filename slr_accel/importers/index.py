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
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.listing import MAX_FPS, Problems

MEDIA = {"features": "manifest", "audio": "speech", "video": "video"}
"""{column that names files: the importer that reads them}"""
COLUMNS = ("id", "split", "signer", "labels", "segments", "text", "fps")
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

    def sequence(
        self,
        features: np.ndarray,
        presence: np.ndarray,
        segments: list[Segment] | None = None,
        seen: np.ndarray | None = None,
    ) -> Sequence:
        """The row's sequence with these values; `segments` take the place of the row's own."""
        segments = self.segments if segments is None else segments
        own = (self.id, self.split, self.signer)
        return Sequence(*own, features, presence, self.labels, segments, self.text, seen)


def unlabelled_row(path: Path, id: str, part: str, medium: str) -> IndexRow:
    """A file without an index; it belongs to the split `test`. White space in its id becomes _."""
    id = "_".join(id.split())
    return IndexRow(str(path), id, "test", UNKNOWN_SIGNER, [], (part,), medium)


def read_index(
    path: Path, problems: Problems, media: tuple[str, ...] = ("features",)
) -> list[IndexRow]:
    """Reads all rows; what is wrong goes to `problems`, and such rows are left out.

    Args:
        media: those of MEDIA that the importer reads; a row has one of them.
    """
    # Of several media a csv file may have either; its rows report where both are missing.
    needed = ("id", "split", *(media if len(media) == 1 else ()))
    read = (*COLUMNS, *media)
    fields = read_fields(path, needed, read, problems)
    note_unread(path, fields, read, problems)
    parsed = [parse_row(*row, problems, media) for row in fields]
    return [row for row in parsed if row is not None]


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


def one_rate(
    rows: list[IndexRow], fps: float | None, problems: Problems, choice: str = ""
) -> float | None:
    """The frame rate of all rows: a corpus has one, since velocity is measured per second.

    Args:
        fps: frames per second of rows that do not say.
        choice: the option that selects rows, where the importer has one.
    """
    first_with: dict[float | None, IndexRow] = {}
    for row in rows:
        rate = row.fps or fps
        if not any(_is_same_rate(rate, known) for known in first_with):
            first_with[rate] = row
    if len(first_with) < 2:
        return next(iter(first_with), fps)
    if None in first_with:
        problems.add(
            first_with[None].where,
            "has no `fps`, but others have; add it, or give --fps for all that have none",
        )
        return None
    rates = ", ".join(f"{rate:g}" for rate in first_with)
    problems.add(
        list(first_with.values())[1].where,
        f"frame rates differ ({rates} fps); a corpus has one: resample these sequences, "
        "or make a corpus of each" + (f" ({choice} selects rows)" if choice else ""),
    )
    return None


def _is_same_rate(one: float | None, other: float | None) -> bool:
    """29.97 is how many write 30000 / 1001."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-4)


def parse_row(
    where: str, fields: dict[str, Any], problems: Problems, media: tuple[str, ...] = ("features",)
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
        fps=_parse_fps(where, fields.get("fps"), problems),
    )
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


def _parse_fps(where: str, value: Any, problems: Problems) -> float | None:
    with suppress(TypeError, ValueError, OverflowError):
        fps = None if value is None else float(value)
        if fps is None or 0 < fps < MAX_FPS:
            return fps
    problems.add(where, f"`fps` is {value!r}; give frames per second, a number above 0")
    return None
