"""Opens and reads a corpus: the row table in memory, features as views into mapped shards."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from slr_accel.corpus.cache import ShardCache
from slr_accel.corpus.format import (
    CORPUS_FILE,
    ROWS_FILE,
    CorpusInfo,
    parse_corpus_info,
    read_corpus_info,
)
from slr_accel.corpus.remote import RemoteFolder, find_remote
from slr_accel.corpus.row_table import RowTable, read_rows
from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.corpus.shard import MappedShard
from slr_accel.files import GB
from slr_accel.layouts.layout import Layout
from slr_accel.settings.loading import CACHE_GB


class Corpus:
    """An open corpus. Reading a sequence copies nothing: the shards are memory-mapped."""

    def __init__(
        self, folder: Path, info: CorpusInfo, rows: RowTable, cache: ShardCache | None = None
    ) -> None:
        """`folder` holds its shards on this machine; those of a cache are fetched and removed."""
        self.folder = folder
        self.info = info
        self.rows = rows
        self._cache = cache
        self._shards: dict[int, MappedShard] = {}
        self._reading = threading.RLock()

    @property
    def address(self) -> str:
        """The user's name for it: a folder, or an address without its password."""
        return str(self.folder) if self._cache is None else self._cache.source.address

    @property
    def absolute_address(self) -> str:
        """The address that opens it from any folder; may hold a password."""
        return self._cache.source.full_address if self._cache else str(self.folder.resolve())

    @property
    def is_remote(self) -> bool:
        return self._cache is not None

    @property
    def layout(self) -> Layout:
        return self.info.layout

    def labels(self, row: int) -> list[str]:
        """The raw labels, as annotated."""
        start, end = self.rows.label_offsets[row], self.rows.label_offsets[row + 1]
        return [self.info.labels[i] for i in self.rows.label_ids[start:end]]

    def features(self, row: int) -> np.ndarray:
        """[T, D] in the storage dtype; a read-only view into the shard."""
        return self._shard(row).array("features", self.rows.row[row])

    def presence(self, row: int) -> np.ndarray:
        """[T, blocks] bool; a read-only view into the shard."""
        return self._shard(row).array("presence", self.rows.row[row]).view(np.bool_)

    def record(self, row: int) -> dict[str, Any]:
        """The columns beside the arrays: id, split, signer, labels, segments, text."""
        return self._shard(row).record(int(self.rows.row[row]))

    def sequence(self, row: int) -> Sequence:
        """A whole row, as an importer hands it to the writer."""
        record = self.record(row)
        return Sequence(
            id=record["id"],
            split=record["split"],
            signer=record["signer"],
            features=self.features(row),
            presence=self.presence(row),
            labels=record["labels"],
            segments=_segments(record),
            text=record["text"],
        )

    def segments(self, row: int) -> list[Segment]:
        """The places of the signs; empty where they are not known."""
        return _segments(self.record(row))

    def check_window(self, shard_window: int | None) -> None:
        """Raises ValueError where the cache of a remote corpus is too small for windows of this
        size, each of which is fetched while the one before is read."""
        if self._cache is not None:
            self._cache.check_window(shard_window)

    def check_shard(self) -> None:
        """Raises ValueError where the cache of a remote corpus is too small for one shard."""
        if self._cache is not None:
            self._cache.check_shard()

    @contextmanager
    def reading(self, window: Iterable[int], following: Iterable[int] = ()) -> Iterator[None]:
        """A context, for one thread at a time, in which only shards of the window are read.

        The following shards of a remote corpus are fetched meanwhile; others may leave the cache.
        """
        with self._reading:
            self._hold(list(window), following)
            yield

    def let_go(self) -> None:
        """Frees the cache room of the shards that were read last for other processes."""
        with self._reading:
            self._hold([])

    def shard_path(self, number: int) -> Path:
        """The local file of a shard, which is fetched if necessary. Raises FetchError."""
        if self._cache is None:
            return self.folder / self.info.shards[number].file
        if not self._cache.holds(number):
            self._hold([number])
        return self._cache.path(number)

    def _hold(self, window: list[int], following: Iterable[int] = ()) -> None:
        if self._cache is not None:
            # A removed file that is still mapped would go on using disk space.
            self._shards = {n: shard for n, shard in self._shards.items() if n in window}
            self._cache.hold(window, following)

    def _shard(self, row: int) -> MappedShard:
        number = int(self.rows.shard[row])
        if number not in self._shards:
            path = self.shard_path(number)
            of_shard = np.flatnonzero(self.rows.shard == number)
            of_shard = of_shard[np.argsort(self.rows.row[of_shard])]
            self._shards[number] = MappedShard(path, self.info, self.rows.frames[of_shard])
        return self._shards[number]


def _segments(record: dict[str, Any]) -> list[Segment]:
    return [Segment(**segment) for segment in record["segments"]]


def open_corpus(
    address: str | Path, *, cache_dir: str | None = None, cache_gb: float | None = None
) -> Corpus:
    """Opens a corpus without touching its shards.

    Args:
        address: a folder, or what fsspec reaches (`s3://bucket/corpus`).
        cache_dir, cache_gb: the folder and size of the cache for shards of a remote corpus; None
            takes the default of the settings.

    Raises:
        ValueError: there is no corpus that can be read; the message says the cure.
        FetchError: a remote corpus cannot be reached.
    """
    found = find_remote(str(address)) if "://" in str(address) else Path(address)
    if isinstance(found, RemoteFolder):
        return _open_remote(found, cache_dir, cache_gb)
    info = read_corpus_info(found)
    _check_is_whole(info, found)
    return _open(found, info)


def _open_remote(source: RemoteFolder, cache_dir: str | None, cache_gb: float | None) -> Corpus:
    info = parse_corpus_info(source.read(CORPUS_FILE), f"{source.address}/{CORPUS_FILE}")
    _check_is_whole(info, source.address)
    content = source.read(ROWS_FILE)
    rows = read_rows(lambda: pa.BufferReader(content), info, f"{source.address}/{ROWS_FILE}")
    # The name depends on the content: copies share the folder, a corpus made anew has another.
    gigabytes = CACHE_GB if cache_gb is None else cache_gb
    if not 0 < gigabytes < math.inf:
        raise ValueError(f"cache_gb is {gigabytes:g}; give a number of gigabytes, more than 0")
    folder = (default_cache_dir() if cache_dir is None else Path(cache_dir)) / info.fingerprint
    try:
        cache = ShardCache(source, info, folder, int(gigabytes * GB))
    except OSError as error:
        raise ValueError(f"cache_dir cannot be used ({error}); give another --cache_dir") from None
    return Corpus(folder, info, rows, cache)


def default_cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slr_accel"


def _check_is_whole(info: CorpusInfo, address: Path | str) -> None:
    if "part" in info.source:
        part = info.source["part"]
        raise ValueError(
            f"{address}: is part {part['index']} of {part['count']} of a corpus; when all are "
            "there, join them with `slr-accel prepare merge --out CORPUS`"
        )


def open_part(folder: Path) -> Corpus:
    """Opens a part that `prepare --shard` made. Raises ValueError where it is none."""
    info = read_corpus_info(folder)
    if "part" not in info.source:
        raise ValueError(f"{folder}: is no part of a corpus but a whole one")
    return _open(folder, info)


def _open(folder: Path, info: CorpusInfo) -> Corpus:
    path = folder / ROWS_FILE
    return Corpus(folder, info, read_rows(lambda: pa.memory_map(str(path)), info, path))
