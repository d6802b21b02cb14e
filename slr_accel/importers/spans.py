"""Reads when a sentence starts and ends in its recording, and finds its frames."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from slr_accel.importers.listing import Problems

ROUNDING = 1e-6
"""In frames; with it 1160 ms at 25 fps are frame 29."""
SECONDS = {"s": 1.0, "ms": 1e-3}
UNITS = (*SECONDS, "frames")
"""Units of times that are mere numbers."""
_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d*)?)\s*(s|ms|f|frames)?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d*)?)")
FORMS = "1.9, 1.9s, 1900ms, 47f (frames) or 00:00:01.900"


def add_times(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--times",
        choices=UNITS,
        default=default,
        help=f"unit of `start` and `end` where they are mere numbers [{default}]",
    )


class Time(NamedTuple):
    """A time from the beginning of the recording."""

    value: float
    """Seconds, or a number of frames."""
    is_frames: bool = False

    def at(self, rate: float | None) -> float:
        """In frames, at this many a second. ValueError where the rate is needed and unknown."""
        if self.is_frames:
            return self.value
        if rate is None:
            raise ValueError(
                "`start` and `end` are times, and its frame rate is unknown; give `fps`, or both "
                "in frames, as 47f"
            )
        return self.value * rate


class Span(NamedTuple):
    """The part of a recording that a row names; from its beginning, to its end, where None."""

    start: Time | None = None
    end: Time | None = None

    @property
    def is_whole(self) -> bool:
        return self.start is None and self.end is None

    def frames(self, count: int, rate: float | None, tolerance: float = 1.0) -> slice:
        """The frames of the span, so that neighbouring spans have none in common and leave none.

        Args:
            count: frames of the recording.
            rate: frames per second.
            tolerance: frames by which an end may lie beyond the last one, as rounded times do.

        Raises:
            ValueError: it starts or ends beyond the recording, or has no frame.
        """
        start = self.start.at(rate) if self.start else 0.0
        end = self.end.at(rate) if self.end else float(count)
        if start >= count or end > count + tolerance + ROUNDING:
            length = f"{count} frames" + (f", {count / rate:.3f} s" if rate else "")
            raise ValueError(
                f"{'starts' if start >= count else 'ends'} beyond its recording, which has "
                f"{length}: {self}. Correct the time, or say its unit with --times"
            )
        first, last = (math.floor(place + ROUNDING) for place in (start, end))
        if last <= first:
            raise ValueError(f"no frame lies from `start` to `end`: {self}")
        return slice(first, min(last, count))

    def __str__(self) -> str:
        texts = [
            "" if time is None else f"{time.value:g}{' frames' if time.is_frames else ' s'}"
            for time in self
        ]
        return f"start {texts[0] or 'of the recording'}, end {texts[1] or 'of the recording'}"


WHOLE = Span()


def parse_time(value: Any, unit: str) -> Time:
    """Reads a time; a mere number is in `unit`, one of UNITS. ValueError where it is none."""
    text = str(value).strip()
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = (
            float((part or "0").replace(",", ".")) for part in clock.groups()
        )
        return Time(3600 * hours + 60 * minutes + seconds)
    found = _NUMBER.fullmatch(text)
    if found:
        number, own = float(found[1].replace(",", ".")), (found[2] or unit).lower()
        if number >= 0:
            return Time(number, True) if own[0] == "f" else Time(number * SECONDS[own])
    raise ValueError(f"{value!r} is no time; give {FORMS}")


def parse_span(where: str, fields: Mapping[str, Any], unit: str, problems: Problems) -> Span:
    """Reads `start` and `end` of a row; what is wrong goes to `problems`."""
    times: list[Time | None] = []
    for key in ("start", "end"):
        value = fields.get(key)
        is_nothing = value is None or value != value or not str(value).strip()
        try:
            times.append(None if is_nothing else parse_time(value, unit))
        except ValueError as error:
            problems.add(where, f"`{key}`: {error}")
            return Span()
    start, end = times
    if end and end.value <= (start.value if start and start.is_frames == end.is_frames else 0):
        problems.add(where, f"`end` is not after `start`: {Span(start, end)}")
        return Span()
    return Span(start, end)
