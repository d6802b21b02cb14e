"""Writes words and their times as SRT, the subtitles that most video players read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from slr_accel.scoring.subtitles import clock


def write_srt(path: Path, words: Iterable[tuple[float, float, str]]) -> None:
    """Writes one numbered cue a word: (start, end, word) in seconds, in order of time."""
    cues = [
        f"{number}\n{_comma(start)} --> {_comma(end)}\n{word}\n"
        for number, (start, end, word) in enumerate(words, 1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8", newline="\n")


def _comma(seconds: float) -> str:
    """Writes hours:minutes:seconds,milliseconds."""
    return clock(seconds).replace(".", ",")
