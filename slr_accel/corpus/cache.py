"""Keeps shards of a remote corpus on this machine: fetched once, checked, shared, up to a size.

    CACHE/FINGERPRINT/train-00000.arrow   a whole, checked shard
    CACHE/FINGERPRINT/.partial/...        shards that are being fetched
    CACHE/FINGERPRINT/.locks/...          a lock file a shard, with the stamp of the checked file

The processes of a machine communicate by the locks alone. A process that reads a shard holds its
lock shared; one that fetches or removes it holds it exclusively. So one process fetches a shard
while the others wait, and no shard in use is removed. The locks of a killed process are released.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from slr_accel.corpus.format import CorpusInfo, Shard, sha256
from slr_accel.corpus.remote import RemoteFolder
from slr_accel.errors import FetchError
from slr_accel.files import GB

PARALLEL_DOWNLOADS = 4
LOCK_POLL = 0.02
ROOM_POLL = 0.1
ROOM_SECONDS = 1800.0
"""How long a process waits for others to release shards."""


class ShardCache:
    """The shards that this process needs, and room for them."""

    def __init__(self, source: RemoteFolder, info: CorpusInfo, folder: Path, capacity: int) -> None:
        """Keeps at most `capacity` bytes of shards in `folder`, which is for this corpus alone."""
        self.source = source
        self.folder = folder
        self._info = info
        self._capacity = capacity
        self._numbers = {shard.file: number for number, shard in enumerate(info.shards)}
        self._holds: dict[int, _Fetch] = {}
        self._following: dict[int, _Fetch] = {}
        self._downloads = threading.Semaphore(PARALLEL_DOWNLOADS)
        self._partial_folder, self._lock_folder = folder / ".partial", folder / ".locks"
        for path in (self._partial_folder, self._lock_folder):
            path.mkdir(parents=True, exist_ok=True)

    def check_window(self, shard_window: int | None) -> None:
        """Raises ValueError where two windows of this many shards (None: all) may not fit."""
        sizes = sorted((shard.bytes for shard in self._info.shards), reverse=True)
        shards = len(sizes) if shard_window is None else min(2 * shard_window, len(sizes))
        needed = sum(sizes[:shards])
        if needed <= self._capacity:
            return
        window = (
            f"all {shards} shards of {self.source.address} are one window, as shard_window is not "
            "set, and take"
            if shard_window is None
            else f"two windows of {shard_window} shards of {self.source.address} take up to"
        )
        fitting = max(n for n in range(len(sizes)) if sum(sizes[: 2 * n]) <= self._capacity)
        raise ValueError(
            f"cache_gb is {self._capacity / GB:g}, but {window} {needed / GB:.3g} GB; raise it"
            + (f", or use --shard_window {fitting} or less" if fitting else "")
        )

    def check_shard(self) -> None:
        """Raises ValueError where one of the shards does not fit."""
        for shard in self._info.shards:
            if shard.bytes > self._capacity:
                raise ValueError(
                    f"cache_gb is {self._capacity / GB:g}, but {self.source.address}/{shard.file} "
                    f"takes {shard.bytes / GB:.3g} GB; raise it"
                )

    def hold(self, window: Iterable[int], following: Iterable[int] = ()) -> None:
        """Fetches shards in the background, and keeps those of the window until the next call.

        The following ones are fetched after the window. Their locks are not held: shards that
        another process needs now may take their room, so that processes never wait in a circle.
        """
        self._holds = self._fetches(self._holds, window, is_kept=True)
        self._following = self._fetches(
            self._following, set(following) - self._holds.keys(), is_kept=False
        )

    def _fetches(
        self, before: dict[int, _Fetch], numbers: Iterable[int], is_kept: bool
    ) -> dict[int, _Fetch]:
        wanted = [int(number) for number in numbers]
        for number in before.keys() - set(wanted):
            before[number].let_go()
        # The following ones must not take the room that the window needs.
        earlier = [] if is_kept else [fetch.path for fetch in self._holds.values()]
        return {
            number: before.get(number) or _Fetch(self, self._info.shards[number], earlier, is_kept)
            for number in wanted
        }

    def holds(self, number: int) -> bool:
        return number in self._holds

    def path(self, number: int) -> Path:
        """Waits until a shard of the window is fetched. Raises FetchError."""
        return self._holds[number].path.result()

    def open_lock(self, shard: Shard) -> IO[str]:
        try:
            return (self._lock_folder / shard.file).open("a+", encoding="ascii")
        except OSError as error:  # another user's
            raise _told(error, self.folder) from None

    def obtain(self, shard: Shard, lock: IO[str], is_wanted: Callable[[], bool]) -> Path:
        """Returns when the shard is fetched and `lock`, its lock file, is held shared.

        Raises:
            FetchError: it cannot be fetched, or `is_wanted` returns False meanwhile.
        """
        import fcntl

        path = self.folder / shard.file
        while is_wanted():
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_checked(path, lock):
                # The time of access gives the order of removal; the stamp has another time.
                with suppress(PermissionError):  # another user's
                    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
                return path
            # Without waiting: a process that has fetched it meanwhile holds it shared for long.
            if not _try_exclusive(lock):
                time.sleep(LOCK_POLL)
            # Between the two locks another process may have fetched or removed it.
            elif not _is_checked(path, lock):
                self._provide(shard, path, is_wanted)
                lock.truncate(0)
                lock.write(_stamp(path))
                lock.flush()
        raise FetchError(f"{shard.file}: is not needed any more")

    def _provide(self, shard: Shard, path: Path, is_wanted: Callable[[], bool]) -> None:
        if path.exists() and sha256(path) == shard.sha256:
            return
        path.unlink(missing_ok=True)
        partial = self._partial_folder / shard.file
        self._reserve(shard, partial, is_wanted)
        try:
            with self._downloads:
                self.source.download(shard, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _reserve(self, shard: Shard, partial: Path, is_wanted: Callable[[], bool]) -> None:
        """Waits for room, then makes an empty `partial`, which counts as the whole shard."""
        end = time.monotonic() + ROOM_SECONDS
        while is_wanted():
            with _exclusive(self.folder / ".room"):
                if self._make_room(shard):
                    partial.touch()
                    return
            if time.monotonic() > end:
                raise FetchError(
                    f"{self.folder}: no room for {shard.file}, other processes hold too many "
                    "shards; raise --cache_gb, give each run a --cache_dir of its own, or use a "
                    "larger shard_window if a window has fewer micro-batches than two steps"
                )
            time.sleep(ROOM_POLL)
        raise FetchError(f"{shard.file}: is not needed any more")

    def _make_room(self, shard: Shard) -> bool:
        """Removes shards that no process holds, least recently used first, until one more fits."""
        # In this order of folders a shard that becomes whole meanwhile is seen in one of them.
        there = {
            self._numbers[path.name]: _last_used(path)
            for folder in (self._partial_folder, self.folder)
            for path in folder.iterdir()
            if path.name in self._numbers and path.name != shard.file
        }
        sizes = {number: self._info.shards[number].bytes for number in there}
        free = self._capacity - sum(sizes.values())
        # The following ones make no room for each other; shards needed now go before them.
        following = self._following
        spared = following if self._numbers[shard.file] in following else {}
        for number in sorted(there, key=lambda number: there[number]):
            if free >= shard.bytes:
                break
            if number not in spared and self._remove(self._info.shards[number]):
                free += sizes[number]
        return free >= shard.bytes

    def _remove(self, shard: Shard) -> bool:
        with self.open_lock(shard) as lock:
            if not _try_exclusive(lock):
                return False
            for folder in (self.folder, self._partial_folder):
                (folder / shard.file).unlink(missing_ok=True)
        return True


class _Fetch:
    """A thread that fetches a shard; if it is kept, its lock is held until `let_go`."""

    def __init__(
        self, cache: ShardCache, shard: Shard, earlier: list[Future[Path]], is_kept: bool
    ) -> None:
        """Starts when `earlier` are done."""
        self.path: Future[Path] = Future()
        self._cache = cache
        self._shard = shard
        self._earlier = earlier
        self._is_kept = is_kept
        self._wanted = True
        self._lock = cache.open_lock(shard)
        self._closing = threading.Lock()
        # A daemon: the process may end while a download goes on.
        threading.Thread(target=self._get, name=f"fetch {shard.file}", daemon=True).start()

    def let_go(self) -> None:
        self._wanted = False
        if self.path.done():
            self._close()

    def _close(self) -> None:
        # Two threads in a file's close() at once: the slower one gets ValueError.
        with self._closing:
            self._lock.close()

    def _get(self) -> None:
        wait(self._earlier)
        try:
            path = self._cache.obtain(self._shard, self._lock, lambda: self._wanted)
        except Exception as error:
            self._close()
            self.path.set_exception(_told(error, self._cache.folder))
            return
        self.path.set_result(path)
        # After the result is set, this, let_go or both close the file.
        if not (self._wanted and self._is_kept):
            self._close()


def _told(error: Exception, folder: Path) -> Exception:
    if isinstance(error, OSError):
        return FetchError(f"{folder}: unusable as a cache ({error}); give another --cache_dir")
    return error


def _try_exclusive(lock: IO[str]) -> bool:
    """Tries for the exclusive lock; a failure releases the shared lock, too."""
    import fcntl  # Windows has none, and needs none for help

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_checked(path: Path, lock: IO[str]) -> bool:
    lock.seek(0)
    return path.exists() and lock.read() == _stamp(path)


def _last_used(path: Path) -> int:
    try:
        return path.stat().st_atime_ns
    except FileNotFoundError:
        return 0


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
