"""Decodes text files, and finds what stands between the cells of a table."""

from __future__ import annotations

import codecs
from collections.abc import Collection
from pathlib import Path

DELIMITERS = (",", ";", "\t", "|")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
TABLES = (".csv", ".tsv", ".txt")


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark, as Excel saves `Unicode text`.

    Raises:
        ValueError: it is neither; the message has the command that converts it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: not readable ({error.strerror})") from None
    try:
        if content.startswith(UTF16):
            return content.decode("utf-16")
        # utf-8-sig: editors on Windows begin a file with a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        line = content.splitlines()[number - 1].decode("cp1252", "replace").strip()[:60]
        raise ValueError(
            f"{path}:{number}: not UTF-8 text. In the code page of Windows the line reads "
            f"{line!r}; if that is right, convert the file with `iconv -f cp1252 -t utf-8 "
            f"{path.name} > new_{path.name}`, or save it as `CSV UTF-8` in Excel"
        ) from None


def delimiter_of(header: str, known: Collection[str]) -> str:
    """What stands between the cells of a header: it gives most names that are known."""

    def count(delimiter: str) -> tuple[int, int]:
        cells = [cell.strip().strip('"') for cell in header.split(delimiter)]
        return len(set(cells) & set(known)), len(cells)

    return max(DELIMITERS, key=count)
