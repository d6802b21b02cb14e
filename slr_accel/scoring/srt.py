"""Writes words and their times as SRT, the subtitles that most video players read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def write_srt(path: Path, words: Iterable[tuple[float, float, str]]) -> None:
    """Writes one numbered cue a word: (start, end, word) in seconds, in order of time."""
    cues = [
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{word}\n"
        for number, (start, end, word) in enumerate(words, 1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8", newline="\n")


def _clock(seconds: float) -> str:
    """Writes hours:minutes:seconds,milliseconds."""
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    minutes, whole = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{whole:02d},{milliseconds:03d}"
