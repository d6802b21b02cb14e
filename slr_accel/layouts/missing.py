"""Reads how a source marks a point that was not detected: `zeros`, `nan`, `value -1`, ..."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

MARKERS = ("zeros", "nan", "value NUMBER", "confidence < NUMBER", "none")
"""The forms of a marker, for messages; several have commas between."""
_FORM = re.compile(r"(zeros|nan|none)|(value)\s+(\S+)|(confidence)\s*<\s*(\S+)")


class Marker(NamedTuple):
    """How a frame marks a point that was not detected."""

    kind: str
    """zeros, nan, none, value or confidence."""
    number: float = 0.0
    """The coordinates of an absent point, or the least confidence of a present one."""


def parse_markers(text: str) -> tuple[Marker, ...]:
    """Reads `zeros`, or several as `zeros,nan`: a point is absent where one of them says so.

    Raises:
        ValueError: names what is no marker.
    """
    return tuple(_parse_marker(part) for part in text.split(","))


def _parse_marker(text: str) -> Marker:
    """Reads `zeros`, `nan`, `none`, `value -1` or `confidence < 0.3`. Else raises ValueError."""
    found = _FORM.fullmatch(text.strip())
    if found:
        word, value, number, confidence, least = found.groups()
        with suppress(ValueError):
            marker = Marker(word or value or confidence, float(number or least or 0))
            if math.isfinite(marker.number):
                return marker
    raise ValueError(
        f"{text!r} marks no absence; give {', '.join(MARKERS)}, or several with commas"
    )


def checked_marker(text: str) -> str:
    """Returns the text. Raises ValueError where it is no marker."""
    parse_markers(text)
    return text


MissingMarker = Annotated[str, AfterValidator(checked_marker)]
"""How a frame marks that points of a block were not detected, as text."""
