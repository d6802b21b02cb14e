"""Takes one optimizer step from its micro-batches, the same on any number of processes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import DistributedType
from torch import Tensor, nn

from slr_accel.ctc.health import NUM_SUMS, OutputMeans, output_sums
from slr_accel.distillation.spikes import NUM_OFFSETS, median_offset, spike_offsets
from slr_accel.training.gradients import Update, norm, part_norms
from slr_accel.training.losses import NAMES, Criterion, loss_terms, total
from slr_accel.training.preparation import Preparation
from slr_accel.training.step_work import StepWork
from slr_accel.training.zero import ZeroPasses


@dataclass(frozen=True)
class StepResult:
    losses: dict[str, list[float]]
    """By term, without its weight: the sum over each micro-batch of all processes."""
    update: Update
    """`took_step` is False where a loss or a gradient was not finite: the weights are unchanged."""
    stop_requested: bool
    """Some process was asked to stop."""
    collapsed: bool = False
    """The first process has seen a collapse that ends the run."""
    outputs: OutputMeans | None = None
    """Of all micro-batches; None where they were not measured."""
    spike_offset: float | None = None
    """Median steps by which glosses come later than the teacher's; None where not measured."""


def train_step(
    accelerator: Any,
    model: nn.Module,
    optimizer: Any,
    preparation: Preparation,
    work: StepWork,
    *,
    epoch: int,
    seed: int,
    max_grad_norm: float,
    criterion: Criterion,
    stop_requested: bool,
    collapsed: bool = False,
    measured: bool = False,
) -> StepResult:
    """Runs forward, backward, clipping and update over this process's share of a step.

    The loss is summed over sequences and divided once, by the number of targets in all
    micro-batches of all processes. So it does not matter how they are spread.

    Before the last backward, the one that exchanges gradients, the processes tell each other their
    losses. Where one is not finite, all leave the step out.

    Args:
        model: in training mode.
        preparation: augments batches and adds soft labels.
        criterion: the weights of the loss terms at this step.
        measured: the outputs, the gradients of each part and the update are measured.
    """
    passes = _passes(accelerator, model, optimizer, max_grad_norm)
    # All processes add up one vector a step: the terms of each micro-batch, two reasons to stop,
    # the outputs, and when glosses are said.
    num_losses = work.num_micro_batches * len(NAMES)
    shared = torch.zeros(num_losses + 2 + NUM_SUMS + NUM_OFFSETS, device=accelerator.device)
    output_part = slice(num_losses + 2, num_losses + 2 + NUM_SUMS)
    shared[num_losses], shared[num_losses + 1] = float(stop_requested), float(collapsed)
    for position, micro_batch in enumerate(work.micro_batches, 1):
        is_last = position == len(work.micro_batches)
        with passes.micro_batch(is_last=is_last):
            batch = preparation(micro_batch.batch.to(accelerator.device))
            _seed(seed_of(seed, epoch, micro_batch.index), accelerator.device)
            output = model(batch.features, batch.presence, batch.lengths)
            terms = loss_terms(output, batch, criterion)
            if micro_batch.counts:
                place = (micro_batch.index - work.first) * len(NAMES)
                for name, term in terms.items():
                    shared[place + NAMES.index(name)] = term.sum.detach()
                if measured:
                    shared[output_part] += output_sums(output.log_probs, output.lengths)
                    if batch.teacher is not None:
                        shared[-NUM_OFFSETS:] += spike_offsets(
                            output.log_probs, batch.teacher.log_probs, output.lengths
                        )
            # The mean over processes is taken of gradients; the sum is wanted.
            scale = float(micro_batch.counts) * accelerator.num_processes / work.num_targets
            scaled = total(terms) * scale
            if not is_last:
                passes.backward(scaled)
                continue
            totals = accelerator.reduce(shared, reduction="sum").tolist()
            sums = totals[:num_losses]
            stops, collapses = totals[num_losses] > 0, totals[num_losses + 1] > 0
            losses = {name: sums[NAMES.index(name) :: len(NAMES)] for name in terms}
            if not all(map(math.isfinite, sums)):
                passes.give_up(scaled)
                return StepResult(losses, Update(math.nan, False, {}, None), stops, collapses)
            passes.backward(scaled)
    outputs = OutputMeans.of(totals[output_part]) if measured else None
    offset = median_offset(totals[-NUM_OFFSETS:])
    return StepResult(losses, passes.update(measured=measured), stops, collapses, outputs, offset)


def _passes(
    accelerator: Any, model: nn.Module, optimizer: Any, max_grad_norm: float
) -> PlainPasses | ZeroPasses:
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        return ZeroPasses(model)
    return PlainPasses(accelerator, model, optimizer, max_grad_norm)


@dataclass(frozen=True)
class PlainPasses:
    """Makes and uses the gradients of a step, on one process or with DDP."""

    accelerator: Any
    model: nn.Module
    optimizer: Any
    max_grad_norm: float

    @contextmanager
    def micro_batch(self, *, is_last: bool) -> Iterator[None]:
        """Contains one forward and backward; only the last of a step exchanges gradients."""
        with nullcontext() if is_last else self.accelerator.no_sync(self.model):
            yield

    def backward(self, loss: Tensor) -> None:
        self.accelerator.backward(loss)

    def give_up(self, loss: Tensor) -> None:
        """Replaces the last backward and the update: the weights do not change."""
        self.optimizer.zero_grad()

    def update(self, *, measured: bool) -> Update:
        """Clips, and changes the weights where the gradients are finite."""
        weights = list(self.model.parameters())
        total = self.accelerator.clip_grad_norm_(weights, self.max_grad_norm)
        model = getattr(self.model, "module", self.model)  # DDP has it in `module`
        parts = part_norms(model, total, self.max_grad_norm) if measured else {}
        # The step waits for the device here, once. Gradients are the same on all processes, so
        # that all decide alike.
        grad_norm, *norms = torch.stack([total, *parts.values()]).tolist()
        is_finite = math.isfinite(grad_norm)
        before = [w.detach().clone() for w in weights] if measured and is_finite else None
        if is_finite or self.accelerator.scaler is not None:
            self.optimizer.step()  # with fp16 the scaler skips it by itself, and lowers its scale
        self.optimizer.zero_grad()
        ratio = None
        if before is not None:
            ratio = norm(torch._foreach_sub([w.detach() for w in weights], before)) / norm(before)
        return Update(grad_norm, is_finite, dict(zip(parts, norms, strict=True)), ratio)


def _seed(seed: int, device: torch.device) -> None:
    """Seeds the generators that a forward uses: the CPU's and that of `device`."""
    # torch.manual_seed takes the call stack for devices that are not there: most of a millisecond.
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def seed_of(*numbers: int) -> int:
    """Makes a 63-bit seed that differs wherever one of the numbers does."""
    text = ",".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Groups parameters: matrices and kernels decay, biases and norms (one dimension) do not."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
