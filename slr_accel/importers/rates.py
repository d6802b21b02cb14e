"""Finds the frame rate of a corpus, and brings sequences of other rates to it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from slr_accel.corpus.interpolation import interpolate
from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.importers.listing import Problems
from slr_accel.importers.spans import ROUNDING
from slr_accel.layouts.layout import Layout

SAME_RATE = 0.01
"""Rates that differ by less than this share are one: 29.97 and 30, or a clock that drifts."""
FASTEST = 240.0
"""Frames per second of the fastest usual cameras."""


def add_fps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fps",
        type=float,
        help="frames per second of the corpus: recordings of another rate are interpolated in "
        "time, and those that do not say have it",
    )


class Rated(NamedTuple):
    """A row's place, and its frame rate where it says one."""

    where: str
    fps: float | None


def one_rate(
    rows: Iterable[Rated], fps: float | None, problems: Problems, choice: str = ""
) -> float | None:
    """The frame rate of the corpus, since velocity is measured per second.

    Args:
        fps: the corpus' rate by --fps: rows of another are resampled, rows that say none have it.
        choice: the option that selects rows, where the importer has one.
    """
    first_with: dict[float | None, str] = {}
    for where, rate in rows:
        own = rate or fps
        if not any(is_same_rate(own, known) for known in first_with):
            first_with[own] = where
    known = [rate for rate in first_with if rate is not None]
    problems.notes += [
        f"{first_with[rate]}: {rate:g} frames per second is more than usual cameras record; where "
        "it is wrong, times and velocities are, too"
        for rate in known
        if rate > FASTEST
    ]
    if fps is not None:
        return fps
    if len(first_with) < 2:
        return next(iter(first_with), None)
    if None in first_with:
        problems.add(
            first_with[None],
            "has no `fps`, but others have; add it, or give --fps for all that have none",
        )
        return None
    problems.add(
        list(first_with.values())[1],
        f"frame rates differ ({', '.join(f'{rate:g}' for rate in known)} fps); a corpus has one: "
        f"--fps {min(known):g} resamples all to it"
        + (f", or make a corpus of each ({choice} selects rows)" if choice else ""),
    )
    return None


def is_same_rate(one: float | None, other: float | None) -> bool:
    """Whether two rates are so near that their frames count as equally long."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=SAME_RATE)


def at_rate(
    sequence: Sequence, layout: Layout, rate: float | None, wanted: float | None
) -> Sequence:
    """Interpolates a sequence of `rate` frames per second to `wanted`; the same where one is None.

    The first frame stays; a block is interpolated between frames that have it, and segments keep
    their times.
    """
    if rate is None or wanted is None or is_same_rate(rate, wanted):
        return sequence
    frames = len(sequence.features)
    count = math.floor((frames - 1) * wanted / rate + ROUNDING) + 1
    times = np.arange(count) * (rate / wanted)
    features, presence = interpolate(
        np.arange(frames), sequence.features, sequence.presence, times, layout
    )
    segments = segments_at(sequence.segments, np.arange(frames) / rate, wanted, count)
    return replace(sequence, features=features, presence=presence, segments=segments)


def segments_at(
    segments: list[Segment], seconds: np.ndarray, fps: float, count: int
) -> list[Segment]:
    """Converts segments from frames at these times to `count` frames at `fps` a second.

    Raises:
        ValueError: a segment ends after the last frame.
    """
    beyond = [segment for segment in segments if segment.end > len(seconds)]
    if beyond:
        raise ValueError(
            f"segment {list(beyond[0])} ends after the last of the video's {len(seconds)} frames"
        )
    frames = np.ceil((seconds - seconds[0]) * fps - ROUNDING).astype(int).clip(max=count - 1)
    frames = np.append(frames, count)
    return [
        Segment(int(frames[s.start]), int(max(frames[s.end], frames[s.start] + 1)), s.label)
        for s in segments
    ]
