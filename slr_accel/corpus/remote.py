"""Fetches files of a corpus from an fsspec address (s3://, hf://, gs://, ...), with retries."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from slr_accel.corpus.format import Shard
from slr_accel.errors import FetchError
from slr_accel.files import NO_ROOM
from slr_accel.optional_packages import how_to_install

ATTEMPTS = 4
FIRST_WAIT = 0.5
"""Seconds before the second attempt; each further wait is twice as long."""
CHUNK_BYTES = 8 * 2**20
LOCAL_PROBLEMS = {*NO_ROOM, errno.EROFS}

T = TypeVar("T")


def without_secrets(text: str) -> str:
    """Removes `user:password@` and `?query` from addresses in a text that is to be shown."""
    text = re.sub(r"(?<=://)[^/\s:@]*:[^/\s]*@", "", text)
    return re.sub(r"(://[^\s?]*)\?[^\s'\")]*", r"\1", text)


class RemoteFolder:
    """A folder that fsspec reaches."""

    def __init__(self, address: str, filesystem: Any, root: str) -> None:
        """`address` is what the user gave."""
        self.full_address = address.rstrip("/")
        """The address with its password; never shown."""
        self.address = without_secrets(self.full_address)
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    def read(self, name: str) -> bytes:
        """Reads a small file. Raises ValueError where it is missing, FetchError for failures."""
        try:
            content: bytes = self._retried(
                name, lambda: self._filesystem.cat_file(f"{self._root}/{name}")
            )
        except FileNotFoundError:
            raise ValueError(
                f"{self.address}: no corpus here ({name} is missing); check the address, or copy "
                "a corpus made with `slr-accel prepare` there"
            ) from None
        return content

    def download(self, shard: Shard, path: Path) -> None:
        """Writes a shard to `path`, checks it and flushes it to disk.

        Raises:
            FetchError: all attempts have failed; it names the shard.
        """
        try:
            self._retried(shard.file, lambda: self._download(shard, path))
        except FileNotFoundError:
            raise FetchError(
                f"{self.address}/{shard.file}: this shard is missing; copy the corpus there again"
            ) from None

    def _download(self, shard: Shard, path: Path) -> None:
        digest, size = hashlib.sha256(), 0
        source = self._filesystem.open(
            f"{self._root}/{shard.file}", "rb", block_size=CHUNK_BYTES, cache_type="none"
        )
        with source, path.open("wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                size += len(chunk)
                # Room is reserved for the announced size alone.
                if size > shard.bytes:
                    raise OSError(
                        f"more than the {shard.bytes} bytes came that corpus.json announces; copy "
                        "the corpus there again"
                    )
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != shard.sha256:
            raise OSError(
                f"{size} of {shard.bytes} bytes came, whose SHA-256 is not the one in corpus.json; "
                "if this goes on, copy the shard there again"
            )

    def _retried(self, name: str, fetch: Callable[[], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return fetch()
            except FileNotFoundError:
                raise
            # Every backend has exceptions of its own for a failing connection.
            except Exception as error:
                meets_the_same = _is_local(error) or _is_denial(error)
                if attempt == ATTEMPTS or meets_the_same:
                    raise FetchError(f"{self.address}/{name}: {_reason(error)}") from None
            time.sleep(FIRST_WAIT * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")


def find_remote(address: str) -> RemoteFolder | Path:
    """Opens an address with `://`; one of a local file system becomes a path.

    Raises:
        ValueError: the kind of address is not known or needs more than an address says, or its
            package is not installed.
        FetchError: the server does not answer.
    """
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

    shown = without_secrets(address)
    try:
        filesystem, root = url_to_fs(address)
    except ImportError as error:
        is_s3 = "s3" in address.split("://")[0]
        reason = how_to_install("s3") if is_s3 else _told(error)
        raise ValueError(f"{shown}: needs a package that is not installed: {reason}") from None
    except ConnectionError as error:
        raise FetchError(f"{shown}: the server does not answer ({_told(error)})") from None
    # Every backend has exceptions of its own for an address that it cannot use.
    except Exception as error:
        raise ValueError(f"{shown}: not an address that can be read ({_told(error)})") from None
    if isinstance(filesystem, LocalFileSystem):
        return Path(root)
    return RemoteFolder(address, filesystem, root)


def _is_local(error: Exception) -> bool:
    """Whether the local disk is full or the like."""
    return isinstance(error, OSError) and error.errno in LOCAL_PROBLEMS


def _is_denial(error: Exception) -> bool:
    return isinstance(error, PermissionError) or "Credentials" in type(error).__name__


def _told(error: Exception) -> str:
    text = str(error) if type(error) is OSError else f"{type(error).__name__}: {error}"
    return without_secrets(text)


def _reason(error: Exception) -> str:
    text = _told(error)
    if _is_local(error):
        return f"cannot be kept on this machine ({text}); give another --cache_dir or less cache_gb"
    if _is_denial(error):
        return f"access is denied ({text}); check the credentials, for S3 those of the AWS CLI"
    return f"cannot be fetched ({text})"
