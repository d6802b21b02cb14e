"""Expands the `~` of `--output_dir=~/runs`, which shells leave as it is."""

from __future__ import annotations

import re
from pathlib import Path

_AT_START = re.compile(r"(--\w+=)?(~(?:/.*)?)", re.DOTALL)


def with_home(words: list[str]) -> list[str]:
    """The words of a command, with the home folder for a `~` that begins a word or a value."""
    found = [_AT_START.fullmatch(word) for word in words]
    return [
        word if match is None else (match[1] or "") + str(Path(match[2]).expanduser())
        for word, match in zip(words, found, strict=True)
    ]
