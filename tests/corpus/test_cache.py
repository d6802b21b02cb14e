"""The cache fetches a shard once, keeps to its bound, and gives nothing that is not checked."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem

from slr_accel.corpus import cache as cache_module
from slr_accel.corpus import remote
from slr_accel.corpus.cache import ShardCache, _exclusive, _Fetch
from slr_accel.corpus.format import Shard
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.remote import RemoteFolder
from slr_accel.errors import FetchError


class Source(RemoteFolder):
    """A folder of this machine, as if it were far away."""

    def __init__(self, folder: Path) -> None:
        super().__init__("far://corpus", LocalFileSystem(), str(folder))
        self.downloads: Counter[str] = Counter()
        self.seconds = 0.0

    def download(self, shard: Shard, path: Path) -> None:
        self.downloads[shard.file] += 1
        time.sleep(self.seconds)
        super().download(shard, path)


@pytest.fixture
def source(sharded_corpus: Path) -> Source:
    return Source(sharded_corpus)


@pytest.fixture
def far(sharded_corpus: Path, source: Source, tmp_path: Path) -> Callable[[float], Corpus]:
    """Opens the corpus with a cache for this many of its largest shards."""
    near = open_corpus(sharded_corpus)

    def opened(shards: float) -> Corpus:
        capacity = int(shards * max(shard.bytes for shard in near.info.shards))
        cache = ShardCache(source, near.info, tmp_path / "cache", capacity)
        return Corpus(cache.folder, near.info, near.rows, cache)

    return opened


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(cache_module, "ROOM_POLL", 0.01)


def cached(corpus: Corpus) -> list[str]:
    return sorted(path.name for path in corpus.folder.glob("*.arrow"))


def read(corpus: Corpus, numbers: list[int], following: tuple[int, ...] = ()) -> None:
    """Reads the first row of some shards."""
    with corpus.reading(numbers, following):
        for number in numbers:
            corpus.features(int(np.flatnonzero(corpus.rows.shard == number)[0]))


def left_by_a_process_that_ended(corpus: Corpus) -> Path:
    path = corpus.shard_path(0)
    with corpus.reading([]):
        return path


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


def test_every_row_is_what_it_is_in_the_folder(far, sharded_corpus: Path) -> None:
    near, corpus = open_corpus(sharded_corpus), far(2)
    for row in range(len(near.rows)):
        np.testing.assert_array_equal(corpus.features(row), near.features(row))
        np.testing.assert_array_equal(corpus.presence(row), near.presence(row))
        assert corpus.record(row) == near.record(row)


def test_opening_touches_no_shard(far, source: Source) -> None:
    corpus = far(3)
    assert corpus.labels(0) and corpus.rows.frames.sum() > 0
    assert not source.downloads


@pytest.mark.parametrize("shards", [3, 4])
def test_the_cache_keeps_to_its_bound(far, source: Source, shards: int, monkeypatch) -> None:
    corpus = far(shards)
    bound = shards * max(shard.bytes for shard in corpus.info.shards)
    sizes = {shard.file: shard.bytes for shard in corpus.info.shards}
    taken: list[int] = []

    def measured(shard: Shard, path: Path) -> None:
        with _exclusive(corpus.folder / ".room"):
            there = [*path.parent.iterdir(), *corpus.folder.iterdir()]
            taken.append(sum(sizes[name] for name in {p.name for p in there} & sizes.keys()))
        Source.download(source, shard, path)

    monkeypatch.setattr(source, "download", measured)
    numbers = range(len(sizes))
    assert len(numbers) >= 10
    for number in [*numbers, *numbers]:
        read(corpus, [number], (number + 1,) if number + 1 in numbers else ())
        mapped = Path("/proc/self/maps").read_text(encoding="utf-8").count(str(corpus.folder))
        # Their buffers are freed with the views.
        assert mapped <= 1
    assert len(taken) >= 2 * len(sizes) - shards
    assert bound / 2 < max(taken) <= bound


def test_what_fits_is_fetched_once_however_often_it_is_read(far, source: Source) -> None:
    corpus = far(100)
    for _ in range(3):
        for number in range(len(corpus.info.shards)):
            read(corpus, [number])
    assert set(source.downloads.values()) == {1}


def test_the_shards_that_follow_are_fetched_meanwhile(far, source: Source) -> None:
    corpus = far(4)
    read(corpus, [5, 2], (7, 1))
    wait_until(lambda: len(cached(corpus)) == 4)
    before = source.downloads.copy()
    source.seconds = 60
    read(corpus, [7, 1])
    assert source.downloads == before


def test_those_used_longest_ago_make_room(far) -> None:
    corpus = far(3)
    for number in (0, 1, 2, 0, 3):
        read(corpus, [number])
    assert cached(corpus) == sorted(corpus.info.shards[n].file for n in (0, 2, 3))


def test_processes_that_want_the_same_shards_fetch_each_once(far, source: Source) -> None:
    source.seconds = 0.05
    corpora = [far(6) for _ in range(4)]
    numbers = [0, 1, 2]
    threads = [threading.Thread(target=read, args=(corpus, numbers)) for corpus in corpora]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(source.downloads) == {corpora[0].info.shards[n].file: 1 for n in numbers}


def test_a_shard_that_another_process_reads_stays_until_it_lets_go(far) -> None:
    ours, theirs = far(2), far(2)
    read(theirs, [0])
    read(ours, [1], (2,))
    time.sleep(0.1)
    assert cached(ours) == sorted(ours.info.shards[n].file for n in (0, 1))
    read(theirs, [1])
    wait_until(lambda: cached(ours) == sorted(ours.info.shards[n].file for n in (1, 2)))


def test_what_follows_makes_room_for_what_another_process_needs_now(far) -> None:
    ours, theirs = far(2), far(2)
    read(theirs, [0], (1,))
    wait_until(lambda: len(cached(theirs)) == 2)
    read(ours, [2])
    assert cached(ours) == sorted(ours.info.shards[n].file for n in (0, 2))


def test_waiting_for_room_ends_with_an_error(far, monkeypatch) -> None:
    monkeypatch.setattr(cache_module, "ROOM_SECONDS", 0.1)
    ours, theirs = far(1), far(1)
    read(theirs, [0])
    with pytest.raises(FetchError, match=r"no room for .*; raise --cache_gb"):
        read(ours, [1])


def test_a_fetch_may_be_let_go_at_the_moment_it_ends(far) -> None:
    cache = far(3)._cache
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(1000):
            fetch = _Fetch(cache, cache._info.shards[0], [], is_kept=False)
            fetch.path.result()
            fetch.let_go()
    finally:
        sys.setswitchinterval(interval)
    assert fetch._lock.closed


def test_what_an_earlier_process_left_is_used(far, source: Source) -> None:
    read(far(3), [0, 1])
    read(far(3), [0, 1])
    assert set(source.downloads.values()) == {1}


@pytest.mark.parametrize("change", ["a byte", "cut"])
def test_what_was_changed_since_is_fetched_anew(far, source: Source, change: str) -> None:
    path = left_by_a_process_that_ended(far(3))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content if change == "a byte" else content[:-100])
    corpus = far(3)
    read(corpus, [0])
    assert source.downloads[path.name] == 2
    np.testing.assert_array_equal(path.read_bytes(), (Path(source._root) / path.name).read_bytes())


def test_what_was_only_touched_is_not(far, source: Source) -> None:
    path = left_by_a_process_that_ended(far(3))
    path.touch()
    read(far(3), [0])
    assert source.downloads[path.name] == 1


def test_a_download_that_was_killed_is_begun_anew_and_takes_no_room(far) -> None:
    corpus = far(2)
    for number in (0, 1, 2):
        (corpus.folder / ".partial" / corpus.info.shards[number].file).write_bytes(b"half")
    read(corpus, [0, 3])
    assert cached(corpus) == sorted(corpus.info.shards[n].file for n in (0, 3))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device")])
def test_a_full_disk_is_told_at_once_and_leaves_nothing_half(far, source, monkeypatch, error):
    corpus = far(3)
    tries = 0

    def full(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise error

    monkeypatch.setattr(source, "_download", full)
    with pytest.raises(FetchError, match=r"No space left.*give another --cache_dir"):
        read(corpus, [0])
    assert tries == 1
    assert not list((corpus.folder / ".partial").iterdir())


def test_a_shard_that_is_not_what_was_written_is_named(far, sharded_corpus, source, tmp_path):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    corpus = far(3)
    name = corpus.info.shards[0].file
    content = (sharded_corpus / name).read_bytes()
    (damaged / name).write_bytes(content[:-1])
    source._root = str(damaged)
    expected = rf"far://corpus/{name}: .*{len(content) - 1} of {len(content)} bytes.*SHA-256"
    with pytest.raises(FetchError, match=expected):
        read(corpus, [0])
    assert not cached(corpus)
    with pytest.raises(FetchError, match=rf"{corpus.info.shards[1].file}: this shard is missing"):
        read(corpus, [1])


def test_shards_of_another_user_are_read(far, source, monkeypatch):
    """Only a file's owner sets its times."""
    read(far(3), [0])

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    read(far(3), [0])
    assert len(source.downloads) == 1


def test_a_cache_that_cannot_be_locked_is_told_with_the_way_out(far):
    corpus = far(3)
    read(corpus, [0])
    lock = corpus.folder / ".locks" / corpus.info.shards[1].file
    lock.unlink(missing_ok=True)
    lock.mkdir()
    with pytest.raises(FetchError, match=r"unusable as a cache .*give another --cache_dir"):
        read(corpus, [1])


def test_an_error_in_the_background_comes_when_the_shard_is_needed(far, sharded_corpus, source):
    corpus = far(4)
    read(corpus, [0])
    source._root = "/nowhere"
    read(corpus, [0], (1,))
    with pytest.raises(FetchError, match=corpus.info.shards[1].file):
        read(corpus, [1])


def test_a_cache_too_small_for_two_windows_is_told_what_would_do(far) -> None:
    far(4).check_window(2)
    far(100).check_window(None)
    with pytest.raises(ValueError, match=r"two windows of 3 shards .* use --shard_window 2 or les"):
        far(4.5).check_window(3)
    with pytest.raises(ValueError, match=r"all 1\d shards of far://corpus are one window"):
        far(4.5).check_window(None)
    with pytest.raises(ValueError, match=r"raise it$"):
        far(1).check_window(1)
