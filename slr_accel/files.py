"""Files that are whole or not there: written beside their place, then moved to it."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GB = 10**9
"""Bytes."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a full disk, a quota and a limit on the size of files answer."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Where there is no room to write, and the error does not say for what, it names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yields where to write; at the end that file takes the place of `path`, after an error not.

    Of several processes that write it at once, the last one's stays.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        with naming(path):
            yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def nearest_existing(path: Path) -> Path:
    """The path itself, or the closest above it that exists: what it would be made in."""
    return next(p for p in (path, *path.absolute().parents) if p.exists())


def takes_links(folder: Path) -> bool:
    """Whether its file system has symbolic links: that of a memory card has none, say."""
    probe = folder / f".link.{secrets.token_hex(4)}.tmp"
    try:
        probe.symlink_to(probe.name)
    except OSError as error:
        return error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
    probe.unlink()
    return True


def write_whole(path: Path, text: str) -> None:
    """Writes UTF-8 text; a reader sees the old file or the new one."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_unicode(text: str) -> bool:
    """Not so where a file's name is in another encoding, which Python keeps as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
