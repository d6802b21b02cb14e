"""Writes words and their times as subtitles: WebVTT (W3C) for browsers, SRT for players."""

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
        f"{_clock(start)} --> {_clock(end)}\n{word.translate(_ESCAPED)}\n"
        for start, end, word in words
    ]
    return "\n".join(["WEBVTT\n", *cues])


def write_webvtt(path: Path, words: Iterable[tuple[float, float, str]]) -> None:
    """Writes `webvtt` of the words."""
    path.write_text(webvtt(words), encoding="utf-8", newline="\n")


def write_srt(path: Path, words: Iterable[tuple[float, float, str]]) -> None:
    """Writes one numbered cue a word; the words are those of `webvtt`."""
    cues = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{word}\n"
        for number, (start, end, word) in enumerate(words, 1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8", newline="\n")


def _clock(seconds: float, point: str = ".") -> str:
    """Writes hours:minutes:seconds.milliseconds."""
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
