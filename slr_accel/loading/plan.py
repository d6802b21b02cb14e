"""Which sequences make which micro-batch, and in which order: a pure function.

The plan knows nothing of ranks. Optimizer step s takes micro-batches [s * k, (s + 1) * k), k fixed
for the run, and rank r of w works on every w-th of them. So a position in training is one number,
and the data order stays the same on any number of processes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

LENGTH_NOISE = 0.1


def required_output_length(token_ids: list[int]) -> int:
    """Output steps CTC needs: one a token, and a blank between equal neighbours."""
    repeats = sum(a == b for a, b in pairwise(token_ids))
    return len(token_ids) + repeats


def alignable(
    frames: np.ndarray, required: np.ndarray, output_stride: int
) -> tuple[np.ndarray, str]:
    """Which rows have enough output steps for their labels, and the reason why others have not.

    Args:
        frames: [N] input frames of each row.
        required: [N] `required_output_length` of each row.
        output_stride: input frames an output step.

    Returns:
        ([N] bool, reason)
    """
    reason = (
        f"fewer output steps (frames / {output_stride}) than labels and the blanks between repeats"
    )
    return -(-frames // output_stride) >= required, reason


def plan(
    frames: np.ndarray,
    *,
    seed: int,
    epoch: int,
    batch_size: int,
    batch_frames: int | None = None,
    curriculum: bool = False,
) -> list[np.ndarray]:
    """Micro-batches of one epoch, every row in exactly one.

    Rows of about the same length share a micro-batch (bucketing), with a tenth of noise on the
    lengths so that the company changes from epoch to epoch.

    Args:
        frames: [N] frames of each row, with the most that augmentation can make of them.
        batch_size: most rows in a micro-batch.
        batch_frames: most padded frames in a micro-batch (rows x longest); None is no limit. A
            single row longer than this still gets a micro-batch of its own.
        curriculum: short micro-batches first instead of a random order.

    Returns:
        arrays of positions into `frames`.
    """
    if len(frames) == 0:
        return []
    random = np.random.default_rng([seed, epoch])
    noise = random.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE, len(frames))
    order = np.argsort(frames * noise, kind="stable")
    batches = _cut(order, frames, batch_size, batch_frames)
    if not curriculum:
        batches = [batches[i] for i in random.permutation(len(batches))]
    return batches


def evaluation_plan(
    frames: np.ndarray, *, batch_size: int, batch_frames: int | None = None
) -> list[np.ndarray]:
    """Micro-batches by length, longest first (so that too little memory shows at once)."""
    if len(frames) == 0:
        return []
    order = np.argsort(-frames, kind="stable")
    return _cut(order, frames, batch_size, batch_frames)


def _cut(
    order: np.ndarray, frames: np.ndarray, batch_size: int, batch_frames: int | None
) -> list[np.ndarray]:
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
    """What a rank runs in optimizer step `step` of an epoch: (micro-batch, does it count).

    Every rank runs equally many. In a short last step, ranks without a micro-batch of their own
    repeat the step's first with weight 0, so that no collective waits for them.
    """
    first = step * per_step
    end = min(first + per_step, num_micro_batches)
    own = range(first + rank, first + per_step, world_size)
    needed = -(-(end - first) // world_size)
    return [(m, True) if m < end else (first, False) for m in own][:needed]


def steps_per_epoch(num_micro_batches: int, per_step: int) -> int:
    return -(-num_micro_batches // per_step)


def accumulation_for(per_step: int, world_size: int) -> int:
    """Micro-batches a rank runs per optimizer step. ValueError lists the world sizes that work."""
    if per_step % world_size:
        fitting = [str(w) for w in range(1, per_step + 1) if per_step % w == 0]
        raise ValueError(
            f"an optimizer step of this run takes {per_step} micro-batches, which {world_size} "
            f"processes cannot share equally; start it with {', '.join(fitting)} process(es), or a "
            "new run with another --micro_batches_per_step"
        )
    return per_step // world_size
