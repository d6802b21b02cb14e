"""Work begins where a checkpoint left it, and is shared alike by any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.training.data import Epoch
from slr_accel.training.step_work import StepWork, epoch_work

PER_STEP = 2


@pytest.fixture(scope="module")
def corpus(tiny_corpus) -> Corpus:
    return open_corpus(tiny_corpus)


@pytest.fixture(scope="module")
def epoch(corpus: Corpus) -> Epoch:
    """Seven micro-batches: with two a step, the last step has one."""
    rows = corpus.rows.of_split("train")
    plan = np.array_split(np.random.default_rng(0).permutation(rows), 7)
    assert len(plan) % PER_STEP == 1
    targets = {int(row): [1] * (1 + int(row) % 3) for row in rows}
    frames = {int(row): int(corpus.rows.frames[row]) for row in rows}
    return Epoch(plan, targets, frames, {})


def work(corpus: Corpus, epoch: Epoch, **options: Any) -> Iterator[StepWork]:
    usual = {"first": 0, "per_step": PER_STEP, "rank": 0, "world_size": 1, "max_frames": None}
    return epoch_work(corpus, epoch, **(usual | options))


def counted_rows(steps: list[StepWork]) -> list[list[int]]:
    return [m.batch.rows.tolist() for step in steps for m in step.micro_batches if m.counts]


def test_an_epoch_is_the_plan_in_its_order(corpus, epoch) -> None:
    steps = list(work(corpus, epoch))
    assert counted_rows(steps) == [rows.tolist() for rows in epoch.plan]
    assert [m.index for step in steps for m in step.micro_batches] == list(range(len(epoch.plan)))
    assert [step.is_last for step in steps] == [False, False, False, True]
    assert sum(step.num_targets for step in steps) == sum(map(len, epoch.targets.values()))
    assert sum(step.num_micro_batches for step in steps) == len(epoch.plan)
    assert sum(step.num_frames for step in steps) == sum(epoch.frames.values())
    assert sum(step.num_sequences for step in steps) == len(epoch.frames)
    read = [m.batch for step in steps for m in step.micro_batches if m.counts]
    padded = sum(batch.presence.shape[0] * batch.presence.shape[1] for batch in read)
    assert sum(step.num_padded_frames for step in steps) == padded


@pytest.mark.parametrize("first", [0, 2, 4, 6, 8])
def test_resuming_yields_the_tail_of_the_whole_epoch(corpus, epoch, first: int) -> None:
    whole = list(work(corpus, epoch))[first // PER_STEP :]
    tail = list(work(corpus, epoch, first=first))
    assert len(tail) == len(whole)
    for ours, theirs in zip(tail, whole, strict=True):
        assert (ours.num_targets, ours.is_last) == (theirs.num_targets, theirs.is_last)
        for one, other in zip(ours.micro_batches, theirs.micro_batches, strict=True):
            assert (one.index, one.counts) == (other.index, other.counts)
            assert torch.equal(one.batch.rows, other.batch.rows)
            assert torch.equal(one.batch.features, other.batch.features)


def test_nothing_before_the_position_is_read(corpus, epoch, monkeypatch) -> None:
    read: list[int] = []

    def features(row: int) -> np.ndarray:
        read.append(int(row))
        return Corpus.features(corpus, row)

    monkeypatch.setattr(corpus, "features", features)
    list(work(corpus, epoch, first=4))
    assert read == np.concatenate(epoch.plan[4:]).tolist()


def test_two_ranks_share_the_rows_and_know_the_same_sums(corpus, epoch) -> None:
    one = list(work(corpus, epoch))
    ranks = [list(work(corpus, epoch, rank=rank, world_size=2)) for rank in range(2)]
    for whole, *parts in zip(one, *ranks, strict=True):
        assert [len(part.micro_batches) for part in parts] == [1, 1]
        assert sorted(counted_rows(parts)) == sorted(counted_rows([whole]))
        for part in parts:
            assert part.num_targets == whole.num_targets
            assert part.num_micro_batches == whole.num_micro_batches
            assert part.is_last == whole.is_last


def test_long_rows_are_subsampled(corpus, epoch) -> None:
    steps = work(corpus, epoch, max_frames=5)
    assert max(int(m.batch.lengths.max()) for step in steps for m in step.micro_batches) == 5
