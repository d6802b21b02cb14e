"""One optimizer step: micro-batches in, one update out, the same on any number of processes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from accelerate import DistributedType
from torch import Tensor, nn

from slr_accel.ctc.loss import ctc_loss
from slr_accel.features.augmentation import Augmentation
from slr_accel.loading.batch import Batch
from slr_accel.settings.training import TrainingSettings
from slr_accel.training.step_work import StepWork
from slr_accel.training.zero import ZeroPasses


@dataclass(frozen=True)
class StepResult:
    losses: list[float]
    """CTC loss of each micro-batch of all processes, summed over its sequences."""
    grad_norm: float
    """Before clipping; not finite where the loss was not."""
    took_step: bool
    """False where a loss or a gradient was not finite; the weights are unchanged then."""
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
    ctc: Callable[..., Tensor],
    stop_requested: bool,
) -> StepResult:
    """Forward, backward, clip and update over this process' share of an optimizer step.

    The loss is summed over sequences and divided once, by the number of targets in all
    micro-batches of all processes. So it does not matter how they are spread.

    Before the last backward, the one that exchanges gradients, the processes tell each other their
    losses. Where one is not finite, all leave the step out.

    Args:
        model: in training mode.
        ctc: of `criterion`.
    """
    passes = _passes(accelerator, model, optimizer, max_grad_norm)
    # All processes add up one vector a step: a place for each micro-batch, and one for the stop.
    shared = torch.zeros(work.num_micro_batches + 1, device=accelerator.device)
    shared[-1] = float(stop_requested)
    for position, micro_batch in enumerate(work.micro_batches, 1):
        is_last = position == len(work.micro_batches)
        with passes.micro_batch(is_last=is_last):
            batch = augmentation(micro_batch.batch.to(accelerator.device))
            _seed(seed_of(seed, epoch, micro_batch.index), accelerator.device)
            loss, further = batch_losses(model, batch, ctc)
            if micro_batch.counts:
                # What the model adds is not reported, but has to be finite too.
                shared[micro_batch.index - work.first] = loss.detach() + 0 * further.detach()
            # The mean over processes is taken of gradients; the sum is wanted.
            scale = float(micro_batch.counts) * accelerator.num_processes / work.num_targets
            scaled = (loss + further) * scale
            if not is_last:
                passes.backward(scaled)
                continue
            *losses, stops = accelerator.reduce(shared, reduction="sum").tolist()
            if not all(map(math.isfinite, losses)):
                passes.give_up(scaled)
                return StepResult(losses, math.nan, False, stops > 0)
            passes.backward(scaled)
    norm, took_step = passes.update()
    return StepResult(losses, norm, took_step, stops > 0)


def _passes(
    accelerator: Any, model: nn.Module, optimizer: Any, max_grad_norm: float
) -> PlainPasses | ZeroPasses:
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        return ZeroPasses(model)
    return PlainPasses(accelerator, model, optimizer, max_grad_norm)


@dataclass(frozen=True)
class PlainPasses:
    """How a step's gradients are made and used, on one process or with DDP."""

    accelerator: Any
    model: nn.Module
    optimizer: Any
    max_grad_norm: float

    @contextmanager
    def micro_batch(self, *, is_last: bool) -> Iterator[None]:
        """Holds a forward and its backward. Only the last of a step exchanges gradients."""
        with nullcontext() if is_last else self.accelerator.no_sync(self.model):
            yield

    def backward(self, loss: Tensor) -> None:
        self.accelerator.backward(loss)

    def give_up(self, loss: Tensor) -> None:
        """In place of the last backward and the update: the weights stay."""
        self.optimizer.zero_grad()

    def update(self) -> tuple[float, bool]:
        """Gradient norm before clipping, and whether the weights changed."""
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        # Gradients are the same on all processes here, so all decide alike.
        is_finite = bool(torch.isfinite(norm))
        if is_finite or self.accelerator.scaler is not None:
            self.optimizer.step()  # with fp16 the scaler skips it by itself, and lowers its scale
        self.optimizer.zero_grad()
        return float(norm), is_finite


def criterion(options: TrainingSettings, factor: float = 1.0) -> Callable[..., Tensor]:
    """`ctc_loss` as the settings want it.

    Args:
        options: of the run.
        factor: of the learning rate, at this step; the delay penalty follows it.
    """
    return partial(
        ctc_loss,
        delay_penalty=factor * options.delay_penalty,
        blank_margin=options.blank_margin,
    )


def batch_losses(
    model: nn.Module, batch: Batch, ctc: Callable[..., Tensor] = ctc_loss
) -> tuple[Tensor, Tensor]:
    """CTC's loss, and what the model adds; both summed over sequences."""
    output = model(batch.features, batch.presence, batch.lengths)
    labelled = partial(ctc, targets=batch.targets, target_lengths=batch.target_lengths)
    loss = labelled(output.log_probs, output.lengths)
    further = loss.new_zeros(())
    for head in output.auxiliary:
        further = further + head.weight * labelled(head.log_probs, head.lengths)
    if output.consistency is not None:
        further = further + output.consistency.sum()
    return loss, further


def _seed(seed: int, device: torch.device) -> None:
    """What a forward draws from: the CPU's generator, and that of `device`."""
    # torch.manual_seed takes the call stack for devices that are not there: most of a millisecond.
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


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
