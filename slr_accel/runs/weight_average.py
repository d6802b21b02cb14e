"""Keeps an exponential moving average of the weights, which is evaluated in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn


def start_average(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Moves the average towards the weights after optimizer step `step`, counted from 1.

    Early on the decay is (1 + step) / (10 + step), so that the first weights do not linger.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    now = model.state_dict()
    # One kernel for many tensors on a GPU; one call a tensor on a CPU.
    torch._foreach_lerp_([average[name] for name in now], list(now.values()), weight)


@torch.no_grad()
def share_statistics(model: nn.Module, average: dict[str, Tensor] | None) -> None:
    """Copies the running statistics (batch norm) of the first process, which are saved, to all.

    Each process has its own batches, but all must score a split with the same statistics.
    """
    kept = average or {}
    for name, buffer in model.named_buffers():
        for tensor in (buffer, *([kept[name]] if name in kept else [])):
            if tensor.is_floating_point():
                tensor.copy_(broadcast(tensor))


@contextmanager
def evaluated_weights(model: nn.Module, average: dict[str, Tensor] | None) -> Iterator[None]:
    """While entered, the model computes with the average."""
    if average is None:
        yield
        return
    trained = start_average(model)
    model.load_state_dict(average)
    try:
        yield
    finally:
        model.load_state_dict(trained)
