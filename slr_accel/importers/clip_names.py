"""Finds the recording that an annotation names: by its path, its file's name or its folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Generic, TypeVar

T = TypeVar("T")
KNOWN_SUFFIXES = (
    *(".npy", ".npz", ".safetensors", ".pkl", ".pickle", ".parquet", ".pose"),
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg"),
)


def normal_name(name: str) -> str:
    """A name in one form of Unicode, with / between folders."""
    return unicodedata.normalize("NFC", name).replace("\\", "/").strip().strip("/")


def bare_name(name: str) -> str:
    """The last part of a path, without the suffix of a recording."""
    last = PurePosixPath(normal_name(name)).name
    stem, dot, suffix = last.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in KNOWN_SUFFIXES else last


def recording_name(name: str) -> str:
    """The name of a recording: of PHOENIX-2014's `fullFrame-210x260px/dev/ID/1/*.png` the ID."""
    parts = PurePosixPath(normal_name(name)).parts
    if parts and parts[0].startswith("fullFrame"):
        while len(parts) > 1 and (parts[-1] in ("1", "...") or "*" in parts[-1]):
            parts = parts[:-1]
    return bare_name(parts[-1]) if parts else ""


class ClipNames(Generic[T]):
    """Recordings by their names."""

    def __init__(self, clips: Iterable[tuple[str, T]]) -> None:
        self._whole: dict[str, T] = {}
        self._bare: dict[str, list[T]] = {}
        for name, clip in clips:
            file, hash_sign, part = name.partition("#")
            self._whole[normal_name(name)] = clip
            bare = f"{recording_name(file)}{hash_sign}{part}"
            self._bare.setdefault(bare, []).append(clip)

    def find(self, name: str, part: str | None = None) -> T | None:
        """The recording of that path, else the only one of that last name; else None.

        Args:
            part: which one of a file that holds several, FILE#PART.
        """
        for end in ([f"#{part}"] if part else []) + [""]:
            whole = self._whole.get(normal_name(name) + end)
            if whole is not None:
                return whole
            same = self._bare.get(recording_name(name) + end, [])
            if len(same) == 1:
                return same[0]
        return None
