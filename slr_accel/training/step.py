"""One optimizer step: micro-batches in, one update out, the same on any number of processes."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from slr_accel.ctc.loss import ctc_loss
from slr_accel.features.augmentation import Augmentation
from slr_accel.loading.loader import Batch
from slr_accel.training.feed import StepWork


@dataclass(frozen=True)
class StepResult:
    loss_sum: float
    """CTC loss summed over the step's sequences, on all processes."""
    grad_norm: float
    """Before clipping."""
    took_step: bool
    """False where a gradient was not finite; the weights are unchanged then."""
    stop_requested: bool
    """Some process was asked to stop."""


def train_step(
    accelerator: Any,
    model: nn.Module,
    optimizer: Any,
    augmentation: Augmentation,
    work: StepWork,
    *,
    epoch: int,
    seed: int,
    max_grad_norm: float,
    stop_requested: bool,
) -> StepResult:
    """Forward, backward, clip and update over this process' share of an optimizer step.

    The loss is summed over sequences and divided once, by the number of targets in all
    micro-batches of all processes. So it does not matter how they are spread.
    """
    model.train()
    loss_sum = torch.zeros((), device=accelerator.device)
    for position, micro_batch in enumerate(work.micro_batches, 1):
        is_last = position == len(work.micro_batches)
        # Only the last backward of the step exchanges gradients.
        with nullcontext() if is_last else accelerator.no_sync(model):
            batch = augmentation(micro_batch.batch.to(accelerator.device), seed=seed, epoch=epoch)
            torch.manual_seed(seed_of(seed, epoch, micro_batch.index))
            loss, further = batch_losses(model, batch)
            weight = float(micro_batch.counts)
            # DDP takes the mean over processes; the sum is wanted.
            scale = weight * accelerator.num_processes / work.num_targets
            accelerator.backward((loss + further) * scale)
            loss_sum += loss.detach() * weight
    norm = accelerator.clip_grad_norm_(model.parameters(), max_grad_norm)
    # Gradients are the same on all processes here, so all decide alike.
    took_step = bool(torch.isfinite(norm))
    if took_step or accelerator.scaler is not None:
        optimizer.step()  # with fp16 the scaler skips it by itself, and lowers its scale
    optimizer.zero_grad()
    shared = torch.stack([loss_sum, loss_sum.new_tensor(float(stop_requested))])
    total, stops = accelerator.reduce(shared, reduction="sum").tolist()
    return StepResult(total, float(norm), took_step, stops > 0)


def batch_losses(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """CTC's loss, and what the model adds to it; both summed over sequences."""
    output = model(batch.features, batch.presence, batch.lengths)
    loss = ctc_loss(output.log_probs, output.lengths, batch.targets, batch.target_lengths)
    further = loss.new_zeros(())
    for head in output.auxiliary:
        further = further + head.weight * ctc_loss(
            head.log_probs, head.lengths, batch.targets, batch.target_lengths
        )
    if output.consistency is not None:
        further = further + output.consistency.sum()
    return loss, further


def seed_of(*numbers: int) -> int:
    """A 63-bit seed that differs wherever one of the numbers does."""
    text = ",".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels decay; biases and norms (one dimension) do not."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
