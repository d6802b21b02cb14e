"""Holds the model and optimizer that train, whole or sharded by DeepSpeed, and their average."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.checkpoint import optimizer_tensors
from slr_accel.runs.weight_average import evaluated_weights, share_statistics, update_average
from slr_accel.training.zero import Zero


@dataclass(frozen=True)
class Weights:
    """One model in three shapes: itself, as accelerate wraps it for training, and averaged."""

    model: Recogniser
    """The model itself. Under DeepSpeed it is as it was at the last `gather`."""
    trained: nn.Module
    """The model as accelerate made it: DDP, autocast, or DeepSpeed's engine."""
    raw_optimizer: torch.optim.Optimizer
    optimizer: Any
    """The optimizer as accelerate made it."""
    sharded: Zero | None
    """Under DeepSpeed only."""
    average: dict[str, Tensor] | None
    """An exponential moving average of the weights, with --ema_decay only."""

    def gather(self) -> None:
        """Brings `model` up to date where its weights are sharded."""
        if self.sharded is not None:
            self.sharded.gather()

    def set_learning_rate(self, learning_rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    def update_average(self, decay: float, step: int) -> None:
        """Moves the average, if there is one, after optimizer step `step`, counted from 1."""
        if self.average is not None:
            self.gather()
            update_average(self.average, self.model, decay, step)

    @contextmanager
    def evaluated(self, *, num_processes: int) -> Iterator[None]:
        """While entered, `model` has the weights that are evaluated, alike on all processes."""
        self.gather()
        if num_processes > 1:
            share_statistics(self.model, self.average)
        with evaluated_weights(self.model, self.average):
            yield

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """The optimizer's state by parameter name, as a checkpoint holds it."""
        if self.sharded is not None:
            return self.sharded.optimizer_tensors()
        return optimizer_tensors(self.model, self.raw_optimizer)
