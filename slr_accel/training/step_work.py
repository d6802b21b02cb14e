"""Reads the micro-batches that this process runs, optimizer step by optimizer step."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.loading.batch import Batch
from slr_accel.loading.buffers import Buffers
from slr_accel.loading.loader import read_ahead
from slr_accel.loading.plan import micro_batches_of_rank, steps_per_epoch
from slr_accel.training.data import Epoch


@dataclass(frozen=True)
class MicroBatch:
    batch: Batch
    index: int
    """Position in the epoch's plan: with the epoch it seeds the dropout."""
    counts: bool
    """False for a repetition that only keeps the processes together."""


@dataclass(frozen=True)
class StepWork:
    """An optimizer step as one process sees it."""

    micro_batches: list[MicroBatch]
    num_targets: int
    """Tokens in the micro-batches of all processes."""
    rows: list[np.ndarray]
    """Row numbers of each micro-batch of all processes, in the order of the plan."""
    first: int
    """Position of the first of them in the epoch's plan."""
    num_frames: int
    """Of all processes, padding left out."""
    num_padded_frames: int
    """Of all processes, padding counted."""
    num_sequences: int
    """Of all processes."""
    wait_seconds: float
    """Time that this process waited for its batches."""
    is_last: bool
    """The epoch ends with this step."""

    @property
    def num_micro_batches(self) -> int:
        """Of all processes."""
        return len(self.rows)

    @property
    def largest(self) -> Batch:
        """The micro-batch of this process with the most padded frames."""
        return max((m.batch for m in self.micro_batches), key=lambda b: b.presence[..., 0].numel())


def epoch_work(
    corpus: Corpus,
    epoch: Epoch,
    *,
    first: int,
    per_step: int,
    rank: int,
    world_size: int,
    max_frames: int | None,
    finish: Callable[[Batch], Batch] | None = None,
    buffers: Buffers | None = None,
) -> Generator[StepWork, None, None]:
    """Yields the steps of an epoch from micro-batch `first` of its plan on; none before is read.

    `finish` is applied to a batch in the reader thread, while the batch before it is trained on.
    """
    plan = epoch.plan
    steps = range(first // per_step, steps_per_epoch(len(plan), per_step))
    work = [
        micro_batches_of_rank(
            len(plan), step=step, per_step=per_step, rank=rank, world_size=world_size
        )
        for step in steps
    ]
    batches = read_ahead(
        corpus,
        (plan[index] for own in work for index, _ in own),
        epoch.targets,
        max_frames,
        epoch.pieces,
        epoch.windows,
        finish,
        buffers,
    )
    for step, own in zip(steps, work, strict=True):
        everyone = plan[step * per_step : (step + 1) * per_step]
        rows = np.concatenate(everyone).tolist()
        start = time.monotonic()
        micro_batches = [MicroBatch(next(batches), index, counts) for index, counts in own]
        waited = time.monotonic() - start
        yield StepWork(
            micro_batches,
            num_targets=sum(epoch.num_targets(row) for row in rows),
            rows=everyone,
            first=step * per_step,
            num_frames=sum(epoch.frames[row] for row in rows),
            num_padded_frames=sum(
                len(batch) * max(epoch.frames[row] for row in batch.tolist()) for batch in everyone
            ),
            num_sequences=len(rows),
            wait_seconds=waited,
            is_last=step == steps[-1],
        )
