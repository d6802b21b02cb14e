"""How a corpus is read: the row table in memory, features as views into the mapped shards."""

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
    """An opened corpus. Reading a sequence copies nothing; pages come in as they are touched."""

    def __init__(
        self, folder: Path, info: CorpusInfo, rows: RowTable, cache: ShardCache | None = None
    ) -> None:
        """`folder` is where its shards are on this machine; with a cache they come and go."""
        self.folder = folder
        self.info = info
        self.rows = rows
        self._cache = cache
        self._shards: dict[int, MappedShard] = {}
        self._reading = threading.RLock()

    @property
    def address(self) -> str:
        """What the user calls it: a folder, or an address without its password."""
        return str(self.folder) if self._cache is None else self._cache.source.address

    @property
    def absolute_address(self) -> str:
        """Where it can be opened again from anywhere: may hold a password."""
        return (
            str(self.folder.resolve()) if self._cache is None else self._cache.source.full_address
        )

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
        """All of a row, as an importer gives it to the writer."""
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
        """Where the signs are; empty where that is not known."""
        return _segments(self.record(row))

    def check_window(self, shard_window: int | None) -> None:
        """ValueError where the cache of a remote corpus is too small for windows of this size,
        each fetched while the one before is read."""
        if self._cache is not None:
            self._cache.check_window(shard_window)

    def check_shard(self) -> None:
        """ValueError where the cache of a remote corpus is too small for one shard at a time."""
        if self._cache is not None:
            self._cache.check_shard()

    @contextmanager
    def reading(self, window: Iterable[int], following: Iterable[int] = ()) -> Iterator[None]:
        """Within, only shards of the window are read. One thread at a time can be.

        Of a remote corpus, those that follow are fetched meanwhile; others may leave the cache.
        """
        with self._reading:
            self._hold(list(window), following)
            yield

    def let_go(self) -> None:
        """Lets other processes use the room of the shards that were read last."""
        with self._reading:
            self._hold([])

    def shard_path(self, number: int) -> Path:
        """Where a shard is, after it was fetched if need be. Raises FetchError."""
        if self._cache is None:
            return self.folder / self.info.shards[number].file
        if not self._cache.holds(number):
            self._hold([number])
        return self._cache.path(number)

    def _hold(self, window: list[int], following: Iterable[int] = ()) -> None:
        if self._cache is not None:
            # A file that is mapped would take its place on the disk after it was removed.
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
        cache_dir, cache_gb: where shards of a remote corpus are kept, and how much of it; None
            is what the settings have as default.

    Raises:
        ValueError: there is no corpus that can be read; says the way out.
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
    # The name follows the content: copies share it, and a corpus made anew has another.
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
    """Opens what `prepare --shard` made. ValueError where it is something else."""
    info = read_corpus_info(folder)
    if "part" not in info.source:
        raise ValueError(f"{folder}: is no part of a corpus but a whole one")
    return _open(folder, info)


def _open(folder: Path, info: CorpusInfo) -> Corpus:
    path = folder / ROWS_FILE
    return Corpus(folder, info, read_rows(lambda: pa.memory_map(str(path)), info, path))
