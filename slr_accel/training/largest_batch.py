"""Whether a batch fits: tried before the first step, searched for, and told when it does not."""

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

PRECISION = 0.05
MARGIN = 0.9
"""Of what was found to fit: memory is fragmented, and other epochs have other batches."""
MOST_NAMED = 8


def largest_micro_batch(epoch: Epoch, stretch: float) -> tuple[np.ndarray, int]:
    """Rows of the planned micro-batch with the most padded frames, and the frames of its longest
    sequence once augmentation has stretched it by `stretch`."""

    def frames(rows: np.ndarray) -> int:
        return math.ceil(max(epoch.frames[int(row)] for row in rows) * stretch)

    rows = max(epoch.plan, key=lambda rows: len(rows) * frames(rows))
    return rows, frames(rows)


def full_batch(corpus: Corpus, epoch: Epoch, rows: np.ndarray, frames: int) -> Batch:
    """A batch of zeros in which each of the rows is `frames` long: it needs the most memory."""
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
    """Forward and backward as in training; weights, buffers, gradients and randomness stay.

    Raises:
        torch.OutOfMemoryError: it does not fit.
    """
    parameters, was_training = list(model.parameters()), model.training
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    # The first step brings AdamW's moments; gradients of an earlier micro-batch are there too.
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
    """The largest number up to `most` that fits, to within 5 %: doubling, then bisecting.

    Returns:
        0 where not even `least` fits.
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
    """Runs the epoch's largest micro-batch before the first step; raises OutOfMemory where it does
    not fit."""
    rows, frames = largest_micro_batch(epoch, settings.augmentation.time_stretch)
    if not _fits(settings, corpus, epoch, rows, frames, model, optimizer):
        raise out_of_memory(settings, corpus, rows.tolist(), frames)


def _fits(
    settings: Settings,
    corpus: Corpus,
    epoch: Epoch,
    rows: np.ndarray,
    frames: int,
    model: nn.Module,
    optimizer: Optimizer,
) -> bool:
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
    """What --batch_frames auto stands for: searched for at the first start (what fits on every
    process), then that of environment.json.

    Raises:
        OutOfMemory: not even the longest sequence fits by itself.
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
    """The `batch_frames` that this device has room for, by running the largest micro-batches that
    the first epoch would have."""
    stretch = settings.augmentation.time_stretch

    def largest(batch_frames: int) -> tuple[Epoch, np.ndarray, int]:
        epoch = make_epoch(with_batch_frames(settings, batch_frames), data, 0)
        return epoch, *largest_micro_batch(epoch, stretch)

    def fits(batch_frames: int) -> bool:
        return _fits(settings, corpus, *largest(batch_frames), model, optimizer)

    _, rows, longest = largest(1)
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
    """Says which batch did not fit and what to set."""
    ways = []
    if len(rows) > 1:
        ways += [f"batch_frames below {len(rows) * frames}", f"batch_size below {len(rows)}"]
    ways.append(f"dynamic_truncation with max_frames below {frames}")
    if not settings.model.gradient_checkpointing:
        ways.append("gradient_checkpointing (may be added to this run, without a new --output_dir)")
    return OutOfMemory(
        f"out of memory: a micro-batch of {len(rows)} sequences x {frames} frames does not fit "
        f"({corpus.rows.names(rows, MOST_NAMED)}); with a new --output_dir set one of\n  "
        + "\n  ".join(ways)
    )
