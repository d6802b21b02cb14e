"""Writes files that are never seen half-written, and checks what a file system can do."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GB = 10**9
"""Bytes."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk, a quota and a limit on the size of files."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds `path` to errors of a full disk that name no file."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yields a path to write to, which replaces `path` at the end, but not after an error.

    Where several processes write at once, the last one wins.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        with naming(path):
            yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def nearest_existing(path: Path) -> Path:
    """The path itself, or the closest folder above it that exists."""
    return next(p for p in (path, *path.absolute().parents) if p.exists())


def takes_links(folder: Path) -> bool:
    """Whether the file system has symbolic links; that of a memory card has none."""
    probe = folder / f".link.{secrets.token_hex(4)}.tmp"
    try:
        probe.symlink_to(probe.name)
    except OSError as error:
        return error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
    probe.unlink()
    return True


def write_whole(path: Path, text: str) -> None:
    """Writes UTF-8 text; readers see either the old file or the new one."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_unicode(text: str) -> bool:
    """False for file names in another encoding, which Python keeps as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
