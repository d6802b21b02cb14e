"""Tries whether the largest batch fits into memory, and searches for the largest that does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from slr_accel.corpus.reader import Corpus
from slr_accel.errors import OutOfMemory
from slr_accel.loading.batch import Batch
from slr_accel.runs.run_folder import RunFolder, record_batch_frames
from slr_accel.settings.run import Settings
from slr_accel.training.data import Epoch, TrainData, make_epoch
from slr_accel.training.losses import criterion, loss_terms, total
from slr_accel.training.step_work import StepWork

PRECISION = 0.05
"""The search ends where the result is known to this share."""
MARGIN = 0.9
"""Share of the largest batch found that is used: memory gets fragmented, and batches differ."""
MOST_NAMED = 8


def largest_micro_batch(epoch: Epoch, stretch: float) -> tuple[np.ndarray, int]:
    """Returns the rows of the micro-batch with the most padded frames, and its longest sequence's
    frames after augmentation has stretched it by `stretch`."""

    def frames(rows: np.ndarray) -> int:
        return math.ceil(max(epoch.frames[int(row)] for row in rows) * stretch)

    rows = max(epoch.plan, key=lambda rows: len(rows) * frames(rows))
    return rows, frames(rows)


def full_batch(corpus: Corpus, epoch: Epoch, rows: np.ndarray, frames: int) -> Batch:
    """Makes a batch of zeros in which each row has `frames` frames, which needs the most memory."""
    targets = [torch.tensor(epoch.targets[int(row)]) for row in rows]
    dtype = getattr(torch, corpus.info.dtype)
    return Batch(
        rows=torch.from_numpy(rows.astype(np.int64)),
        features=torch.zeros(len(rows), frames, corpus.layout.columns, dtype=dtype),
        presence=torch.ones(len(rows), frames, len(corpus.layout.blocks), dtype=torch.bool),
        lengths=torch.full((len(rows),), frames),
        targets=nn.utils.rnn.pad_sequence(targets, batch_first=True),
        target_lengths=torch.tensor([len(ids) for ids in targets]),
    )


def dry_run(model: nn.Module, optimizer: Optimizer, batch: Batch, settings: Settings) -> None:
    """Runs forward and backward as in training, but leaves weights, buffers and randomness alone.

    Raises:
        torch.OutOfMemoryError: the batch does not fit.
    """
    parameters, was_training = list(model.parameters()), model.training
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    # Training has gradients of an earlier micro-batch too, and after a step AdamW's moments.
    copies = 1 if optimizer.state or isinstance(optimizer, torch.optim.SGD) else 3
    device = parameters[0].device
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            held = [torch.empty_like(p) for p in parameters for _ in range(copies)]
            model.train()
            batch = batch.to(device)
            output = model(batch.features, batch.presence, batch.lengths)
            total(loss_terms(output, batch, criterion(settings))).backward()
            del held
    finally:
        for parameter in parameters:
            parameter.grad = None
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        model.train(was_training)


def largest_that_fits(fits: Callable[[int], bool], *, least: int, most: int) -> int:
    """Returns the largest number up to `most` that fits, to within 5 %; 0 where `least` does not.

    It doubles, then bisects.
    """
    if not fits(least):
        return 0
    good, bad = least, most + 1
    while good < most:
        tried = min(2 * good, most)
        if not fits(tried):
            bad = tried
            break
        good = tried
    while bad <= most and bad - good > max(1, PRECISION * good):
        tried = (good + bad) // 2
        good, bad = (tried, bad) if fits(tried) else (good, tried)
    return good


def try_largest_batch(
    settings: Settings, corpus: Corpus, epoch: Epoch, model: nn.Module, optimizer: Optimizer
) -> None:
    """Runs the epoch's largest micro-batch before the first step. Raises OutOfMemory where it does
    not fit."""
    if not _fits(settings, corpus, epoch, model, optimizer):
        rows, frames = largest_micro_batch(epoch, settings.augmentation.time_stretch)
        raise out_of_memory(settings, corpus, rows.tolist(), frames)


def _fits(
    settings: Settings, corpus: Corpus, epoch: Epoch, model: nn.Module, optimizer: Optimizer
) -> bool:
    rows, frames = largest_micro_batch(epoch, settings.augmentation.time_stretch)
    try:
        dry_run(model, optimizer, full_batch(corpus, epoch, rows, frames), settings)
    except torch.OutOfMemoryError:
        return False
    finally:
        torch.cuda.empty_cache()
    return True


def found_batch_frames(
    accelerator: Any,
    settings: Settings,
    corpus: Corpus,
    run: RunFolder,
    data: TrainData,
    model: nn.Module,
    optimizer: Optimizer,
) -> int:
    """Returns the number for --batch_frames auto.

    The first start searches for what fits on every process; later ones read environment.json.

    Raises:
        OutOfMemory: the longest sequence does not fit by itself.
    """
    known = run.environment().get("batch_frames")
    if known is not None:
        return int(known)
    own = search_batch_frames(settings, corpus, data, model, optimizer)
    found = int(accelerator.gather(torch.tensor([own], device=accelerator.device)).min())
    if accelerator.is_main_process:
        record_batch_frames(run, found)
    return found


def search_batch_frames(
    settings: Settings, corpus: Corpus, data: TrainData, model: nn.Module, optimizer: Optimizer
) -> int:
    """Searches for the `batch_frames` that this device has room for.

    It runs the largest micro-batches of the first epoch.
    """

    def epoch_of(batch_frames: int) -> Epoch:
        return make_epoch(with_batch_frames(settings, batch_frames), data, 0)

    def fits(batch_frames: int) -> bool:
        return _fits(settings, corpus, epoch_of(batch_frames), model, optimizer)

    rows, longest = largest_micro_batch(epoch_of(1), settings.augmentation.time_stretch)
    found = largest_that_fits(fits, least=longest, most=longest * settings.loading.batch_size)
    if found == 0:
        raise out_of_memory(settings, corpus, rows.tolist(), longest)
    return max(longest, int(found * MARGIN))


def with_batch_frames(settings: Settings, batch_frames: int) -> Settings:
    loading = settings.loading.model_copy(update={"batch_frames": batch_frames})
    return replace(settings, loading=loading)


def out_of_memory(
    settings: Settings, corpus: Corpus, rows: Sequence[int], frames: int
) -> OutOfMemory:
    """Returns the error that says which batch did not fit, and what to set."""
    ways = []
    if len(rows) > 1:
        ways += [f"batch_frames below {len(rows) * frames}", f"batch_size below {len(rows)}"]
    ways.append(f"dynamic_truncation with max_frames below {frames}")
    if not settings.model.gradient_checkpointing:
        ways.append("gradient_checkpointing (needs no new --output_dir)")
    return OutOfMemory(
        f"out of memory: a micro-batch of {len(rows)} sequences x {frames} frames does not fit "
        f"({corpus.rows.names(rows, MOST_NAMED)}); with a new --output_dir set one of\n  "
        + "\n  ".join(ways)
    )


def step_out_of_memory(settings: Settings, corpus: Corpus, work: StepWork) -> OutOfMemory:
    """Returns the error of a step, which names its largest batch of this process."""
    largest = work.largest
    return out_of_memory(settings, corpus, largest.rows.tolist(), largest.features.shape[1])
