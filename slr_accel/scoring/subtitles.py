"""Writes words with times as subtitles: WebVTT for browsers, SRT for players."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from slr_accel.scoring.ctm import CtmRow


def write_vtt(path: Path, words: Iterable[CtmRow]) -> None:
    """Writes one cue a word, as https://www.w3.org/TR/webvtt1 says."""
    cues = [
        f"{clock(word.start, '.')} --> {clock(word.start + word.duration, '.')}\n"
        f"{escape(word.token, quote=False)}\n"
        for word in words
    ]
    path.write_text("\n".join(["WEBVTT\n", *cues]), encoding="utf-8", newline="\n")


def write_srt(path: Path, words: Iterable[CtmRow]) -> None:
    """Writes one numbered cue a word."""
    cues = [
        f"{number}\n{clock(word.start, ',')} --> {clock(word.start + word.duration, ',')}\n"
        f"{word.token}\n"
        for number, word in enumerate(words, 1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8", newline="\n")


def clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and milliseconds: 00:01:02.345 with the point `.`."""
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, rest = divmod(milliseconds, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{point}{rest:03}"
