"""Training from S3 is training from the folder, each shard fetched once, resumed anywhere."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from run_helpers import TrainCommand, kill, last_weights, metrics
from s3_helpers import S3

from slr_accel.cli import main
from slr_accel.corpus.reader import open_corpus

SETTINGS = {"shard_window": 2, "micro_batches_per_step": 2, "epochs": 2}


@pytest.fixture
def local(sharded_corpus: Path) -> TrainCommand:
    return TrainCommand(sharded_corpus)


@pytest.fixture
def remote(s3: S3, sharded_corpus: Path) -> TrainCommand:
    return TrainCommand(s3.upload(sharded_corpus, "sharded"))


@pytest.fixture
def cache(tmp_path: Path, sharded_corpus: Path) -> dict[str, object]:
    """Settings of a cache for four of the thirteen shards, which is two windows."""
    return {"cache_dir": tmp_path / "cache", "cache_gb": gigabytes(sharded_corpus, 4)}


def gigabytes(corpus: Path, shards: int) -> float:
    largest = max(shard.bytes for shard in open_corpus(corpus).info.shards)
    return 1e-9 * (shards * largest + 1)


def assert_same_run(run: Path, other: Path) -> None:
    assert metrics(run) == metrics(other)
    ours, theirs = last_weights(run), last_weights(other)
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.distributed
@pytest.mark.slow
def test_two_processes_fetch_each_shard_once_and_train_as_from_the_folder(
    local: TrainCommand, remote: TrainCommand, s3: S3, sharded_corpus: Path, tmp_path: Path
) -> None:
    local.run(tmp_path / "local", processes=2, **SETTINGS)
    remote.run(tmp_path / "remote", processes=2, **SETTINGS, cache_dir=tmp_path / "cache")
    assert_same_run(tmp_path / "remote", tmp_path / "local")
    assert s3.shard_gets() == {shard.file: 1 for shard in open_corpus(sharded_corpus).info.shards}


@pytest.mark.slow
@pytest.mark.distributed
def test_a_cache_of_two_windows_gives_the_same_on_one_and_on_two_processes(
    local: TrainCommand, remote: TrainCommand, s3: S3, cache: dict[str, object], tmp_path: Path
) -> None:
    """Also validated within the epoch, when the windows of training make room and come back."""
    settings = SETTINGS | {"eval_steps": 7}
    for processes in (1, 2):
        run = tmp_path / f"remote {processes}"
        local.run(tmp_path / f"local {processes}", processes=processes, **settings)
        remote.run(run, processes=processes, **settings, **cache)
        assert_same_run(run, tmp_path / f"local {processes}")
        assert max(s3.shard_gets().values()) > 1
        shards = list((tmp_path / "cache").rglob("*-0*.arrow"))
        sizes = [path.stat().st_size for path in shards if path.parent.name != ".locks"]
        assert 0 < sum(sizes) <= 1e9 * float(str(cache["cache_gb"]))


@pytest.mark.slow
def test_killed_in_the_middle_of_an_epoch_equals_uninterrupted(
    local: TrainCommand, remote: TrainCommand, s3: S3, cache: dict[str, object], tmp_path: Path
) -> None:
    local.run(tmp_path / "whole", **SETTINGS, save_steps=3)
    run = tmp_path / "run"
    process = remote.start(run, **SETTINGS, **cache, save_steps=3)
    while not (run / "checkpoints" / "step_00000012" / "meta.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    kill(process)
    # Another machine goes on, which has nothing yet; then it reads on from the position alone.
    shutil.rmtree(tmp_path / "cache")
    s3.shard_gets()
    output = remote.run(run, **SETTINGS, **cache, save_steps=3)
    assert "continues at step" in output
    assert_same_run(run, tmp_path / "whole")


def test_starting_fetches_the_first_windows_and_nothing_else(
    remote: TrainCommand, s3: S3, tmp_path: Path
) -> None:
    process = remote.start(
        tmp_path / "run", shard_window=1, epochs=50, cache_dir=tmp_path / "cache", batch_size=1
    )
    while not (tmp_path / "run" / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.005)
    kill(process)
    assert 1 <= len(s3.shard_gets()) <= 3


@pytest.mark.slow
def test_a_shard_that_cannot_be_had_ends_the_run_and_names_it(
    remote: TrainCommand, s3: S3, sharded_corpus: Path, cache: dict[str, object], tmp_path: Path
) -> None:
    address = s3.upload(sharded_corpus, "broken")
    s3.put("broken/train-00004.arrow", b"half")
    broken = TrainCommand(address)
    output = broken.run(tmp_path / "run", **SETTINGS, **cache, save_steps=1, expect=1)
    assert f"error: {address}/train-00004.arrow: cannot be fetched (4 of" in output
    assert "Traceback" not in output
    # Put right, the same command goes on; from another copy, too.
    output = remote.run(tmp_path / "run", **SETTINGS, **cache, save_steps=1)
    assert "best WER" in output


@pytest.mark.slow
@pytest.mark.distributed
def test_the_process_that_meets_the_error_says_so(
    s3: S3, sharded_corpus: Path, cache: dict[str, object], tmp_path: Path
) -> None:
    address = s3.upload(sharded_corpus, "broken")
    s3.put("broken/train-00004.arrow", b"half")
    broken = TrainCommand(address)
    output = broken.run(tmp_path / "run", processes=2, **SETTINGS, **cache, expect=1)
    assert f"error: {address}/train-00004.arrow: cannot be fetched (4 of" in output


def test_what_cannot_work_is_told_before_the_run_begins(
    remote: TrainCommand, s3: S3, cache: dict[str, object], tmp_path: Path
) -> None:
    output = remote.run(tmp_path / "run", **cache, expect=2)
    assert "are one window, as shard_window is not set" in output
    assert "use --shard_window 2 or less" in output
    output = remote.run(tmp_path / "run", **cache, shard_window=3, expect=2)
    assert "two windows of 3 shards" in output
    output = remote.run(tmp_path / "run", shard_window=2, join_probability=0.5, expect=2)
    assert "shard_window does not work with join_probability: signs are taken" in output
    assert not (tmp_path / "run").exists()
    assert s3.shard_gets() == {}


@pytest.mark.slow
def test_another_window_is_refused_when_a_run_continues_another_cache_is_not(
    remote: TrainCommand, local: TrainCommand, cache: dict[str, object], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    output = local.run(run, **SETTINGS, **cache, max_steps=3)
    assert "warning: cache_dir has no effect" in output
    output = remote.run(run, **SETTINGS | {"shard_window": 1}, **cache, expect=2)
    assert "shard_window: 2 then, 1 now" in output
    assert "continues at step 3" in remote.run(run, **SETTINGS, **cache, max_steps=6)


def test_a_split_larger_than_the_cache_is_scored_the_same(
    local: TrainCommand, remote: TrainCommand, s3: S3, sharded_corpus: Path, tmp_path: Path
) -> None:
    local.run(tmp_path / "run", shard_window=1, epochs=1)
    found = []
    address = str(remote.corpus)
    cache = [f"--cache_dir={tmp_path / 'cache'}", f"--cache_gb={gigabytes(sharded_corpus, 2)}"]
    for name, words in (("near", []), ("far", [f"--data_dir={address}", *cache])):
        options = ["--split=train", f"--output_dir={tmp_path / name}", *words]
        with pytest.raises(SystemExit) as end:
            main(["evaluate", str(tmp_path / "run"), *options])
        assert not end.value.code
        found.append(json.loads((tmp_path / name / "train.json").read_text(encoding="utf-8")))
    near, far = found
    assert far.pop("data_dir") == address and near.pop("data_dir") == str(sharded_corpus)
    assert far == near
    assert set(s3.shard_gets().values()) == {1}
