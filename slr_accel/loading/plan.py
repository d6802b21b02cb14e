"""Plans an epoch: which sequences form which micro-batch, and in which order.

The plan does not depend on the number of ranks. Optimizer step s takes micro-batches
[s * k, (s + 1) * k), with k fixed for the run, and rank r of w works on every w-th of them. So a
position in training is one number, and the data order is the same on any number of processes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

LENGTH_NOISE = 0.05
"""Share by which lengths vary at random before they are sorted."""
SHARDS = 1
"""Distinguishes the seed of the shards' order from the others of (seed, epoch)."""


def required_output_length(token_ids: list[int]) -> int:
    """Returns the output steps that CTC needs: one per token, and a blank between equal ones."""
    return len(token_ids) + sum(a == b for a, b in pairwise(token_ids))


def alignable(
    frames: np.ndarray, required: np.ndarray, output_stride: int
) -> tuple[np.ndarray, str]:
    """Finds the rows that have enough output steps for their labels.

    Args:
        frames: [N] input frames of each row.
        required: [N] `required_output_length` of each row.
        output_stride: input frames per output step.

    Returns:
        [N] bool, and the reason why the others have not.
    """
    reason = (
        f"fewer output steps (frames / {output_stride}) than labels and the blanks between repeats"
    )
    return -(-frames // output_stride) >= required, reason


def train_windows(
    shards: np.ndarray, shard_window: int | None, *, seed: int, epoch: int
) -> list[np.ndarray]:
    """Shuffles the shards of an epoch and cuts them into windows that are read together.

    Args:
        shards: [N] number of each row's shard.
        shard_window: shards in a window (the last may have fewer); None: all are one window.

    Returns:
        shard numbers of each window, in the order of the plan.
    """
    random = np.random.default_rng([seed, epoch, SHARDS])
    return _windows(random.permutation(np.unique(shards)), shard_window)


def evaluation_windows(shards: np.ndarray, shard_window: int | None) -> list[np.ndarray]:
    """Cuts the shards into windows as train_windows does, in the order of the corpus."""
    return _windows(np.unique(shards), shard_window)


def _windows(numbers: np.ndarray, shard_window: int | None) -> list[np.ndarray]:
    size = shard_window or max(len(numbers), 1)
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def plan(
    frames: np.ndarray,
    *,
    seed: int,
    epoch: int,
    batch_size: int,
    batch_frames: int | None = None,
    curriculum: bool = False,
    shards: np.ndarray | None = None,
    shard_window: int | None = None,
) -> list[np.ndarray]:
    """Plans the micro-batches of one epoch, with every row in exactly one.

    Rows of about the same length share a micro-batch (bucketing). The lengths vary by up to 5 % at
    random, so that a row meets other rows in each epoch. With `shard_window` this happens within
    `train_windows`, one after the other.

    Args:
        frames: [N] frames of each row, after augmentation's longest stretch.
        batch_size: most rows in a micro-batch.
        batch_frames: most padded frames in a micro-batch (rows x longest); None is no limit. A
            longer row gets a micro-batch of its own.
        curriculum: puts short micro-batches first in each window, instead of a random order.
        shards: [N] number of each row's shard; needed with `shard_window`.
        shard_window: shards in a window; None: all rows are one window.

    Returns:
        arrays of positions in `frames`.
    """
    shards = np.zeros(len(frames), int) if shards is None else shards
    random = np.random.default_rng([seed, epoch])
    batches: list[np.ndarray] = []
    for window in train_windows(shards, shard_window, seed=seed, epoch=epoch):
        rows = np.flatnonzero(np.isin(shards, window))
        noise = random.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE, len(rows))
        order = rows[np.argsort(frames[rows] * noise, kind="stable")]
        of_window = _cut(order, frames, batch_size, batch_frames)
        if not curriculum:
            of_window = [of_window[i] for i in random.permutation(len(of_window))]
        batches += of_window
    return batches


def evaluation_plan(
    frames: np.ndarray,
    *,
    batch_size: int,
    batch_frames: int | None = None,
    shards: np.ndarray | None = None,
    shard_window: int | None = None,
) -> list[np.ndarray]:
    """Plans micro-batches by length, the longest first, so that too little memory shows at once.

    With `shard_window` this happens window by window. Arguments are those of `plan`.
    """
    shards = np.zeros(len(frames), int) if shards is None else shards
    batches: list[np.ndarray] = []
    for window in evaluation_windows(shards, shard_window):
        rows = np.flatnonzero(np.isin(shards, window))
        order = rows[np.argsort(-frames[rows], kind="stable")]
        batches += _cut(order, frames, batch_size, batch_frames)
    return batches


def _cut(
    order: np.ndarray, frames: np.ndarray, batch_size: int, batch_frames: int | None
) -> list[np.ndarray]:
    """Cuts the rows of a window, at least one, into micro-batches."""
    batches: list[np.ndarray] = []
    start, longest = 0, 0
    for position, row in enumerate(order):
        length = int(frames[row])
        count = position - start + 1
        too_long = batch_frames is not None and max(longest, length) * count > batch_frames
        if count > batch_size or (too_long and count > 1):
            batches.append(order[start:position])
            start, longest = position, 0
        longest = max(longest, length)
    batches.append(order[start:])
    return batches


def micro_batches_of_rank(
    num_micro_batches: int, *, step: int, per_step: int, rank: int, world_size: int
) -> list[tuple[int, bool]]:
    """Returns what a rank runs in optimizer step `step` of an epoch: (micro-batch, does it count).

    Every rank runs equally many. In a short last step, ranks without a micro-batch of their own
    repeat the first one of the step with weight 0, so that no collective operation waits for them.
    """
    first = step * per_step
    end = min(first + per_step, num_micro_batches)
    own = range(first + rank, first + per_step, world_size)
    needed = -(-(end - first) // world_size)
    return [(m, True) if m < end else (first, False) for m in own][:needed]


def steps_per_epoch(num_micro_batches: int, per_step: int) -> int:
    return -(-num_micro_batches // per_step)


def accumulation_for(per_step: int, world_size: int) -> int:
    """Returns the micro-batches that a rank runs per optimizer step.

    Raises:
        ValueError: they cannot be shared equally; lists the world sizes that work.
    """
    if per_step % world_size:
        fitting = [str(w) for w in range(1, per_step + 1) if per_step % w == 0]
        raise ValueError(
            f"an optimizer step of this run takes {per_step} micro-batches, which {world_size} "
            f"processes cannot share equally; start it with {', '.join(fitting)} process(es), or a "
            "new run with another --micro_batches_per_step"
        )
    return per_step // world_size
