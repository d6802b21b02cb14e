"""A folder that is whole or not there: it is written beside its place, then renamed."""

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
    """ValueError where `out` holds anything: a corpus or a model is never written over."""
    if out.name in ("", ".."):
        raise ValueError(f"{out}: give a folder of its own")
    if not is_unicode(str(out)):
        raise ValueError(f"{out}: its name is not UTF-8 text; choose another --out")
    if out.is_symlink() or out.is_mount():
        raise ValueError(
            f"{out}: is a link or a mount point, which a folder cannot take the place of; give a "
            "new one below it"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: exists already; remove it or choose another --out")
    parent = nearest_existing(out.absolute().parent)
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise ValueError(
            f"{out}: {parent} is no folder that can be written to; choose another --out"
        )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yields a folder beside `out` to write to, which at the end becomes `out`.

    After an error it is removed. So is what a killed process has left there.

    Raises:
        ValueError: `out` came to exist meanwhile.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}.tmp-{socket.gethostname()}-"
    _remove_left_by_killed(out.parent, prefix)
    # Containers on one machine may have one name and the same PIDs.
    folder = out.with_name(f"{prefix}{os.getpid()}-{secrets.token_hex(4)}")
    folder.mkdir()
    try:
        with naming(out):
            yield folder
        try:
            folder.rename(out)  # takes the place of an empty folder, but of nothing else
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise ValueError(
                f"{out}: another process has made it meanwhile; remove it or choose another --out"
            ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_by_killed(parent: Path, prefix: str) -> None:
    """Removes folders named PREFIX + PID-... whose process no longer runs.

    The prefix names the machine: a disk may be shared, and of another's processes nobody knows.
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
        pass  # it is somebody else's
    return True
