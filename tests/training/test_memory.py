"""Memory of a training process does not grow with the corpus: features stay in mapped files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from run_helpers import TrainCommand
from s3_helpers import S3

from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.layouts.layout import generic_layout

pytestmark = pytest.mark.slow
SMALL, LARGE = 200, 2000
BATCH_SIZE = 16
COLUMNS = 600
SHARD_BYTES = 4_000_000
SHARD_WINDOW = 2
CACHED_SHARDS = 5
"""Of seven and sixty: at ten times the size most must leave the cache."""
BYTES_A_ROW = 1000
"""Of a row in memory: its entry in the row table, its token ids, its place in a plan."""
ALLOCATOR_NOISE = 8e6
"""Bytes: twice what was seen, either way (3.5 MB of 373). The large corpus has 216 MB of features
more than the small one."""


def sequences(count: int) -> Iterator[Sequence]:
    """80 to 120 frames, as many of each length in any corpus; 16 dev sequences."""
    random = np.random.default_rng(0)
    for i in range(count + 16):
        frames = 80 + i % 41
        features = random.random((frames, COLUMNS), np.float32).astype(np.float16)
        split = "train" if i < count else "dev"
        presence = np.ones((frames, 1), bool)
        yield Sequence(f"s{i}", split, "anna", features, presence, ["A", "B", "C"])


def peak_anonymous_memory(folder: Path, count: int, s3: S3 | None) -> float:
    """Bytes, over as many steps as one epoch on the large corpus takes."""
    corpus = folder / f"corpus of {count}"
    write_corpus(
        corpus,
        sequences(count),
        layout=generic_layout(COLUMNS),
        dtype="float16",
        frames_per_second=25.0,
        source={},
        shard_bytes=SHARD_BYTES,
    )
    address = corpus if s3 is None else s3.upload(corpus, str(count))
    steps = LARGE // BATCH_SIZE
    process = TrainCommand(address).start(
        folder / f"run of {count}",
        shard_window=SHARD_WINDOW,
        cache_dir=folder / "cache",
        cache_gb=1e-9 * CACHED_SHARDS * SHARD_BYTES,
        batch_size=BATCH_SIZE,
        epochs=LARGE // count,
        max_steps=steps,
        eval_steps=steps,
        log_steps=steps,
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, anonymous_memory(process.pid))
        time.sleep(0.02)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert f"step {steps}/{steps}" in output
    return peak


def anonymous_memory(pid: int) -> float:
    """RssAnon: what the process holds besides mapped files, whose pages the kernel can drop."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(1024.0 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


@pytest.mark.parametrize("is_remote", [False, True], ids=["local", "remote"])
def test_a_corpus_ten_times_as_large_takes_no_more_memory_than_its_row_table(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    is_remote: bool,
) -> None:
    # What is let go is given back at once, so that RssAnon is what the process holds.
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.setenv(name, "65536")
    server = request.getfixturevalue("s3") if is_remote else None
    small, large = (peak_anonymous_memory(tmp_path, count, server) for count in (SMALL, LARGE))
    allowed = BYTES_A_ROW * (LARGE - SMALL) + ALLOCATOR_NOISE
    print(f"{small / 1e6:.1f} MB and {large / 1e6:.1f} MB")
    assert large - small <= allowed, f"{small / 1e6:.1f} MB, then {large / 1e6:.1f} MB"
    # What would not fit into the allowance: the features themselves.
    info = open_corpus(tmp_path / f"corpus of {LARGE}").info
    assert sum(shard.bytes for shard in info.shards) > 10 * allowed
