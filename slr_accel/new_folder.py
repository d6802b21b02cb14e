"""Writes a new folder that is never seen half-written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slr_accel.files import is_unicode, naming, nearest_existing


def check_new_folder(out: Path) -> None:
    """Raises ValueError where `out` cannot be made or holds anything: nothing is overwritten."""
    if out.name in ("", ".."):
        raise ValueError(f"{out}: give a folder of its own")
    if not is_unicode(str(out)):
        raise ValueError(f"{out}: its name is not UTF-8 text; choose another --out")
    if out.is_symlink() or out.is_mount():
        raise ValueError(
            f"{out}: is a link or a mount point, which a folder cannot replace; choose a folder "
            "below it"
        )
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out}: exists already; remove it or choose another --out")
    parent = nearest_existing(out.absolute().parent)
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise ValueError(f"{out}: {parent} is not a writable folder; choose another --out")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yields a folder beside `out` to write to, which becomes `out` at the end.

    It is removed after an error, as are those that killed processes have left.

    Raises:
        ValueError: another process has made `out` meanwhile.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}.tmp-{socket.gethostname()}-"
    _remove_left_by_killed(out.parent, prefix)
    # Containers on one machine may share the host name and use the same PIDs.
    folder = out.with_name(f"{prefix}{os.getpid()}-{secrets.token_hex(4)}")
    folder.mkdir()
    try:
        with naming(out):
            yield folder
        try:
            folder.rename(out)  # replaces an empty folder, but nothing else
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise ValueError(
                f"{out}: another process has made it meanwhile; remove it or choose another --out"
            ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_by_killed(parent: Path, prefix: str) -> None:
    """Removes folders named PREFIX + PID-... of processes that no longer run.

    The prefix names the machine, since the processes of another one are not known.
    """
    for folder in parent.iterdir():
        if not folder.name.startswith(prefix):
            continue
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        if pid.isdecimal() and not _runs(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it belongs to another user
    return True
