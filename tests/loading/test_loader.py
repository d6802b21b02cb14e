"""Batches hold their rows, padded with 0, in the plan's order; reading leaves nothing behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.loading.batch import Batch
from slr_accel.loading.loader import load_batch, read_ahead

FRAMES = [7, 3, 12, 1, 9, 5, 12, 4]
LAYOUT = Layout((Block("left_hand", ("a",), ("x", "y")), Block("right_hand", ("a",), ("x", "y"))))
TARGETS = {0: [1, 2, 2], 1: [3], 2: [], 3: [1, 1]}


def sequences() -> list[Sequence]:
    random = np.random.default_rng(0)
    return [
        Sequence(
            f"s{i}",
            "train",
            "anna",
            1 + random.random((frames, 4)).astype(np.float32),
            random.random((frames, 2)) < 0.7,
            ["A"],
        )
        for i, frames in enumerate(FRAMES)
    ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Eight sequences over three shards."""
    out = tmp_path_factory.mktemp("corpora") / "corpus"
    write_corpus(
        out,
        sequences(),
        layout=LAYOUT,
        dtype="float32",
        frames_per_second=25.0,
        source={},
        shard_bytes=300,
    )
    corpus = open_corpus(out)
    assert len(corpus.info.shards) > 2
    return corpus


@pytest.mark.parametrize("rows", [[2, 0, 3], [5], list(range(8))])
def test_a_batch_holds_its_rows_and_0_beyond_them(corpus: Corpus, rows: list[int]) -> None:
    originals = sequences()
    batch = load_batch(corpus, np.array(rows), TARGETS)
    assert batch.rows.tolist() == rows
    assert batch.lengths.tolist() == [FRAMES[row] for row in rows]
    assert batch.features.shape == (len(rows), max(FRAMES[row] for row in rows), 4)
    assert (batch.features.dtype, batch.presence.dtype) == (torch.float32, torch.bool)
    for i, row in enumerate(rows):
        frames = FRAMES[row]
        np.testing.assert_array_equal(batch.features[i, :frames], originals[row].features)
        np.testing.assert_array_equal(batch.presence[i, :frames], originals[row].presence)
        assert not batch.features[i, frames:].any()
        assert not batch.presence[i, frames:].any()


def test_targets_are_padded_with_0_and_rows_without_targets_have_none(corpus: Corpus) -> None:
    batch = load_batch(corpus, np.array([0, 1, 2, 7]), TARGETS)
    assert batch.targets.tolist() == [[1, 2, 2], [3, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert batch.target_lengths.tolist() == [3, 1, 0, 0]
    assert batch.targets.dtype == batch.target_lengths.dtype == batch.lengths.dtype == torch.int64
    assert load_batch(corpus, np.array([6, 7]), TARGETS).targets.shape == (2, 0)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_a_batch_keeps_the_storage_dtype(tmp_path: Path, dtype: str) -> None:
    values = np.arange(12).reshape(4, 3)
    one = Sequence("a", "train", "anna", values, np.ones((4, 1), bool), ["A"])
    layout = generic_layout(3)
    write_corpus(
        tmp_path / "corpus", [one], layout=layout, dtype=dtype, frames_per_second=None, source={}
    )
    batch = load_batch(open_corpus(tmp_path / "corpus"), np.array([0]), {})
    assert batch.features.dtype == getattr(torch, dtype)
    np.testing.assert_array_equal(batch.features[0], values)


@pytest.mark.parametrize("max_frames", [2, 5, 11, 12, 100])
def test_subsampling_takes_frames_evenly_from_the_first_to_the_last(
    corpus: Corpus, max_frames: int
) -> None:
    rows = np.arange(8)
    batch = load_batch(corpus, rows, TARGETS, max_frames)
    assert batch.lengths.tolist() == [min(frames, max_frames) for frames in FRAMES]
    for i, original in enumerate(sequences()):
        length = int(batch.lengths[i])
        taken = [
            int(np.flatnonzero((original.features == frame.numpy()).all(axis=1))[0])
            for frame in batch.features[i, :length]
        ]
        assert (taken[0], taken[-1]) == (0, FRAMES[i] - 1)
        steps = np.diff(taken)
        assert (steps >= 1).all() and (length == 1 or np.ptp(steps) <= 1)
        np.testing.assert_array_equal(batch.presence[i, :length], original.presence[taken])


def test_subsampling_leaves_labels_whole(corpus: Corpus) -> None:
    assert load_batch(corpus, np.array([0]), TARGETS, max_frames=2).targets.tolist() == [[1, 2, 2]]


def test_a_batch_can_be_written_to_without_harm_to_the_corpus(corpus: Corpus) -> None:
    load_batch(corpus, np.array([0]), TARGETS).features.zero_()
    np.testing.assert_array_equal(corpus.features(0), sequences()[0].features)
    with pytest.raises(ValueError, match="read-only"):
        corpus.features(0)[:] = 0


def read_ahead_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("read_ahead")]


def test_batches_come_in_the_order_of_the_plan(corpus: Corpus) -> None:
    plan = [np.array(rows) for rows in ([3, 1], [7], [0, 2, 5], [6, 4], [1])]
    found = [batch.rows.tolist() for batch in read_ahead(corpus, plan, TARGETS)]
    assert found == [rows.tolist() for rows in plan]
    assert list(read_ahead(corpus, [], TARGETS)) == []
    assert read_ahead_threads() == []


def test_batches_that_are_kept_are_not_overwritten_by_later_ones(corpus: Corpus) -> None:
    plan = [np.array([row]) for row in (2, 6, 2, 4)]
    kept = list(read_ahead(corpus, plan, TARGETS))
    for batch, (row,) in zip(kept, plan, strict=True):
        np.testing.assert_array_equal(batch.features[0], sequences()[row].features)


def test_one_batch_is_read_while_the_one_before_is_worked_on(corpus: Corpus) -> None:
    asked: list[int] = []

    def plan():
        for row in range(6):
            asked.append(row)
            yield np.array([row])

    batches = read_ahead(corpus, plan(), TARGETS)
    next(batches)
    assert asked == [0, 1]
    next(batches)
    assert asked == [0, 1, 2]
    batches.close()


def test_an_error_while_reading_reaches_the_consumer_at_its_place(corpus: Corpus) -> None:
    batches = read_ahead(corpus, [np.array([0]), np.array([99]), np.array([1])], TARGETS)
    assert next(batches).rows.tolist() == [0]
    with pytest.raises(IndexError):
        next(batches)
    assert read_ahead_threads() == []


def test_closing_early_leaves_no_thread(corpus: Corpus) -> None:
    batches = read_ahead(corpus, [np.array([row]) for row in range(8)], TARGETS)
    next(batches)
    assert len(read_ahead_threads()) == 1
    batches.close()
    assert read_ahead_threads() == []


def test_letting_go_of_the_iterator_leaves_no_thread(corpus: Corpus) -> None:
    for batch in read_ahead(corpus, [np.array([row]) for row in range(8)], TARGETS):
        if batch.rows.tolist() == [2]:
            break
    end = time.monotonic() + 5
    while read_ahead_threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert read_ahead_threads() == []


def test_no_more_than_depth_batches_are_read_ahead(corpus: Corpus) -> None:
    """While the caller works on one batch; and none is read any more once it stops."""
    read: list[int] = []

    def noted(batch: Batch) -> Batch:
        read.append(int(batch.rows[0]))
        return batch

    plan = [np.array([row]) for row in range(8)]
    batches = read_ahead(corpus, plan, TARGETS, finish=noted, depth=3)
    assert next(batches).rows.tolist() == [0]
    end = time.monotonic() + 10
    while len(read) < 4 and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(0.05)
    assert read == [0, 1, 2, 3]
    assert [batch.rows.tolist() for batch in batches] == [[row] for row in range(1, 8)]
    assert read == list(range(8))
