"""The plan: every row once an epoch, from (seed, epoch) alone, shared alike by all ranks."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.ctc.loss import ctc_loss
from slr_accel.loading.plan import (
    accumulation_for,
    alignable,
    evaluation_plan,
    evaluation_windows,
    micro_batches_of_rank,
    plan,
    required_output_length,
    steps_per_epoch,
    train_windows,
)

FRAMES = st.lists(st.integers(1, 500), max_size=60).map(lambda x: np.array(x, np.int64))
SOME_FRAMES = st.lists(st.integers(1, 500), min_size=1, max_size=60).map(np.array)
BUDGETS = st.none() | st.integers(1, 2000)
SHARDED = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 12)), min_size=1, max_size=60)
PHOENIX_LIKE = np.random.default_rng(0).gamma(6, 18, 2000).astype(int) + 10
ORDER = "d174cb5309955682"
"""Of a run begun now: a plan that changes would give a resumed run other batches, unnoticed."""


@settings(max_examples=150, deadline=None)
@given(FRAMES, st.integers(0, 99), st.integers(0, 9), st.integers(1, 20), BUDGETS, st.booleans())
def test_every_row_comes_exactly_once_an_epoch(
    frames: np.ndarray, seed: int, epoch: int, size: int, budget: int | None, curriculum: bool
) -> None:
    batches = plan(
        frames,
        seed=seed,
        epoch=epoch,
        batch_size=size,
        batch_frames=budget,
        curriculum=curriculum,
    )
    assert sorted(row for batch in batches for row in batch) == list(range(len(frames)))


@settings(max_examples=150, deadline=None)
@given(SOME_FRAMES, st.integers(1, 20), st.integers(1, 2000), st.booleans())
def test_budgets_are_exceeded_only_by_a_lone_row_that_is_too_long(
    frames: np.ndarray, size: int, budget: int, evaluation: bool
) -> None:
    if evaluation:
        batches = evaluation_plan(frames, batch_size=size, batch_frames=budget)
    else:
        batches = plan(frames, seed=1, epoch=0, batch_size=size, batch_frames=budget)
    for batch in batches:
        assert 1 <= len(batch) <= size
        assert frames[batch].max() * len(batch) <= budget or len(batch) == 1


@settings(max_examples=100, deadline=None)
@given(SOME_FRAMES, st.integers(1, 20), BUDGETS)
def test_evaluation_takes_every_row_once_and_the_longest_first(
    frames: np.ndarray, size: int, budget: int | None
) -> None:
    batches = evaluation_plan(frames, batch_size=size, batch_frames=budget)
    order = np.concatenate(batches)
    assert sorted(order) == list(range(len(frames)))
    assert (np.diff(frames[order]) <= 0).all()


def lists(frames: np.ndarray, **options: Any) -> list[list[int]]:
    return [batch.tolist() for batch in plan(frames, batch_size=16, **options)]


def test_the_same_seed_and_epoch_give_the_same_plan_and_others_another() -> None:
    first = lists(PHOENIX_LIKE, seed=1, epoch=0)
    assert lists(PHOENIX_LIKE, seed=1, epoch=0) == first
    for seed, epoch in ((1, 1), (2, 0)):
        other = lists(PHOENIX_LIKE, seed=seed, epoch=epoch)
        assert other != first
        # Not only the order of the micro-batches: rows also meet other rows.
        company = {frozenset(batch) for batch in first} & {frozenset(batch) for batch in other}
        assert len(company) < len(first) / 10


def test_seed_and_epoch_are_not_interchangeable() -> None:
    assert lists(PHOENIX_LIKE, seed=1, epoch=2) != lists(PHOENIX_LIKE, seed=2, epoch=1)


def test_curriculum_goes_from_short_to_long_and_the_usual_order_does_not() -> None:
    def means(curriculum: bool) -> np.ndarray:
        batches = lists(PHOENIX_LIKE, seed=1, epoch=0, curriculum=curriculum)
        return np.array([PHOENIX_LIKE[batch].mean() for batch in batches])

    # The noise on lengths lets neighbours change places, no more.
    assert np.corrcoef(means(True), np.arange(len(means(True))))[0, 1] > 0.9
    assert (np.diff(means(True)) > -0.1 * means(True)[1:]).all()
    assert abs(np.corrcoef(means(False), np.arange(len(means(False))))[0, 1]) < 0.3


def padding_share(batches: list[Any]) -> float:
    padded = sum(PHOENIX_LIKE[batch].max() * len(batch) for batch in batches)
    return float(1 - PHOENIX_LIKE.sum() / padded)


def test_bucketing_leaves_a_quarter_of_the_padding_of_random_batches() -> None:
    order = np.random.default_rng(0).permutation(len(PHOENIX_LIKE))
    of_random = padding_share(np.array_split(order, len(order) // 16))
    found = padding_share(lists(PHOENIX_LIKE, seed=1, epoch=0))
    assert found < of_random / 4
    assert found < 0.05


@pytest.mark.parametrize(
    ("size", "batch_frames", "least", "most"), [(8, None, 1.4, 2.0), (32, 1000, 1.0, 1.1)]
)
def test_with_a_frame_budget_eight_processes_hardly_wait_for_each_other(
    size: int, batch_frames: int | None, least: float, most: float
) -> None:
    batches = plan(PHOENIX_LIKE, seed=1, epoch=0, batch_size=size, batch_frames=batch_frames)
    batches = batches[: len(batches) // 8 * 8]
    padded = np.array([PHOENIX_LIKE[b].max() * len(b) for b in batches]).reshape(-1, 8)
    # A step takes as long as its longest micro-batch.
    assert least < padded.max(1).sum() / padded.mean(1).sum() < most


@settings(max_examples=150, deadline=None)
@given(SHARDED, st.integers(0, 99), st.integers(0, 9), st.integers(1, 20), BUDGETS, st.data())
def test_windows_hold_every_row_once_and_are_walked_one_after_the_other(
    rows: list[tuple[int, int]],
    seed: int,
    epoch: int,
    size: int,
    budget: int | None,
    data: st.DataObject,
) -> None:
    frames, shards = np.array(rows).T
    window = data.draw(st.none() | st.integers(1, 15))
    options: dict[str, Any] = {"batch_size": size, "batch_frames": budget, "shards": shards}
    if data.draw(st.booleans()):
        batches = evaluation_plan(frames, shard_window=window, **options)
        windows = evaluation_windows(shards, window)
    else:
        curriculum = data.draw(st.booleans())
        when = {"seed": seed, "epoch": epoch}
        batches = plan(frames, shard_window=window, curriculum=curriculum, **when, **options)
        windows = train_windows(shards, window, **when)
    assert sorted(row for batch in batches for row in batch) == list(range(len(frames)))
    assert sorted(np.concatenate(windows)) == np.unique(shards).tolist()
    assert all(len(shards) == window for shards in windows[:-1])
    place = {int(shard): i for i, of_window in enumerate(windows) for shard in of_window}
    walked = [{place[int(shard)] for shard in shards[batch]} for batch in batches]
    assert all(len(of_batch) == 1 for of_batch in walked)
    assert sorted(walked, key=min) == walked


def test_without_a_window_the_order_is_the_recorded_one_whatever_the_shards() -> None:
    batches = plan(PHOENIX_LIKE, seed=1, epoch=3, batch_size=16, batch_frames=2000)
    digest = hashlib.sha256(np.concatenate(batches).astype("<i8").tobytes()).hexdigest()
    assert digest.startswith(ORDER)
    shards = np.arange(len(PHOENIX_LIKE)) % 7
    with_shards = plan(
        PHOENIX_LIKE, seed=1, epoch=3, batch_size=16, batch_frames=2000, shards=shards
    )
    assert all(map(np.array_equal, batches, with_shards))


def test_shards_meet_in_other_windows_in_every_epoch() -> None:
    shards = np.arange(40).repeat(3)
    first, second = (
        [frozenset(w.tolist()) for w in train_windows(shards, 4, seed=1, epoch=epoch)]
        for epoch in (0, 1)
    )
    assert len(set(first) & set(second)) < 3
    assert first != [frozenset(range(n, n + 4)) for n in range(0, 40, 4)]


def test_nothing_makes_no_micro_batch() -> None:
    assert plan(np.array([], int), seed=1, epoch=0, batch_size=4) == []
    assert evaluation_plan(np.array([], int), batch_size=4) == []


@pytest.mark.parametrize(
    ("tokens", "outputs"), [([1], 1), ([1, 2, 1], 3), ([1, 1], 3), ([1, 1, 1, 2], 6)]
)
def test_ctc_aligns_exactly_from_the_required_output_length_on(
    tokens: list[int], outputs: int
) -> None:
    def loss(steps: int) -> float:
        log_probs = torch.full((1, steps, 3), 1 / 3).log()
        lengths, targets = torch.tensor([steps]), torch.tensor([tokens])
        return float(ctc_loss(log_probs, lengths, targets, torch.tensor([len(tokens)])))

    assert required_output_length(tokens) == outputs
    assert math.isfinite(loss(outputs))
    if outputs > 1:
        assert math.isinf(loss(outputs - 1))


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_row_is_alignable_when_its_output_steps_suffice(stride: int) -> None:
    frames, required = np.arange(1, 30), np.full(29, 5)
    fits, reason = alignable(frames, required, stride)
    # A begun output step counts: strided convolutions with "same" padding round up.
    assert fits.tolist() == [-(-n // stride) >= 5 for n in range(1, 30)]
    assert fits.argmax() + 1 == 4 * stride + 1
    assert f"frames / {stride}" in reason


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.data())
def test_over_all_ranks_every_micro_batch_counts_once_and_all_ranks_run_equally_many(
    num_micro_batches: int, per_step: int, data: st.DataObject
) -> None:
    world_size = data.draw(
        st.sampled_from([w for w in range(1, per_step + 1) if per_step % w == 0])
    )
    counted = []
    for step in range(steps_per_epoch(num_micro_batches, per_step)):
        ranks = [
            micro_batches_of_rank(
                num_micro_batches, step=step, per_step=per_step, rank=rank, world_size=world_size
            )
            for rank in range(world_size)
        ]
        assert len({len(own) for own in ranks}) == 1
        assert 1 <= len(ranks[0]) <= accumulation_for(per_step, world_size)
        of_step = [m for own in ranks for m, counts in own if counts]
        assert sorted(of_step) == list(
            range(step * per_step, min((step + 1) * per_step, num_micro_batches))
        )
        assert all(0 <= m < num_micro_batches for own in ranks for m, _ in own)
        counted += of_step
    assert sorted(counted) == list(range(num_micro_batches))


def test_a_world_size_that_cannot_share_a_step_is_told_those_that_can() -> None:
    assert accumulation_for(12, 4) == 3
    with pytest.raises(ValueError, match=r"12 micro-batches.*with 1, 2, 3, 4, 6, 12 process"):
        accumulation_for(12, 5)
