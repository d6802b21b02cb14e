"""Writes recognised words and their times as subtitles, in the form WebVTT (W3C)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def webvtt(words: Iterable[tuple[float, float, str]]) -> str:
    """Returns the text of a .vtt file.

    Args:
        words: (start, end, word) in seconds, in order of time.
    """
    cues = [
        f"{clock(start)} --> {clock(end)}\n{word.translate(_ESCAPED)}\n"
        for start, end, word in words
    ]
    return "\n".join(["WEBVTT\n", *cues])


def write_webvtt(path: Path, words: Iterable[tuple[float, float, str]]) -> None:
    """Writes `webvtt` of the words."""
    path.write_text(webvtt(words), encoding="utf-8", newline="\n")


def clock(seconds: float) -> str:
    """Writes hours:minutes:seconds.milliseconds."""
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest / 1000:06.3f}"
