"""Computes the size of a model."""

from __future__ import annotations

from torch import nn


def num_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def megabytes(model: nn.Module) -> dict[str, float]:
    """Returns the MB (10^6 bytes) of the parameters in fp32, fp16 and weight-only int8.

    int8 takes a byte for each number of a matrix or kernel and a float32 scale for each of its
    rows; biases and norms stay float32.
    """
    all_numbers = num_parameters(model)
    weights = [p for p in model.parameters() if p.ndim > 1]
    in_weights = sum(p.numel() for p in weights)
    int8 = in_weights + 4 * sum(len(p) for p in weights) + 4 * (all_numbers - in_weights)
    return {"fp32": 4 * all_numbers / 1e6, "fp16": 2 * all_numbers / 1e6, "int8": int8 / 1e6}
