"""Measures gradient norms by part of the model, and updates, at the steps that are logged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

CLIP_EPSILON = 1e-6
"""The constant that torch.nn.utils.clip_grad_norm_ adds to the norm."""


class Update(NamedTuple):
    """What one update of the weights was like."""

    grad_norm: float
    """Before clipping; not finite where the loss was not."""
    took_step: bool
    part_norms: dict[str, float]
    """Gradient norm before clipping by part of the model; empty where it was not measured."""
    ratio: Tensor | None
    """Norm of the update over norm of the weights: a scalar on the device, which nothing waits for;
    None where it was not measured."""


def parameters_by_part(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The trained parameters of a recogniser: first layers, convolutions, recurrent part, heads."""
    lstms = tuple(name for name, module in model.named_modules() if isinstance(module, nn.LSTM))
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    first = named[0][0].split(".")[0]
    parts: dict[str, list[nn.Parameter]] = {}
    for name, parameter in named:
        child = name.split(".")[0]
        if child.endswith("head"):
            part = "head"
        elif child == first:
            part = "features"
        elif name.startswith(lstms):
            part = "recurrent"
        else:
            part = "convolutions"
        parts.setdefault(part, []).append(parameter)
    return parts


@torch.no_grad()
def norm(tensors: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of all values together, a scalar."""
    return torch.stack(torch._foreach_norm(list(tensors))).norm()


def part_norms(model: nn.Module, clipped_from: Tensor, max_norm: float) -> dict[str, Tensor]:
    """Gradient norms before clipping, from gradients that are clipped.

    Args:
        clipped_from: norm of all gradients before clipping, a scalar.
        max_norm: they were clipped to it.
    """
    scale = ((clipped_from + CLIP_EPSILON) / max_norm).clamp(min=1)
    return {
        part: scale * norm(p.grad for p in parameters if p.grad is not None)
        for part, parameters in parameters_by_part(model).items()
    }
