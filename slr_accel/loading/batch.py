"""Defines a batch: padded sequences, and the draws of their augmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """The sampled augmentation of B sequences; P is the number of blocks with x and y."""

    places: Tensor
    """[B, T'] float32: where the new frames lie in the sequence; 0 beyond its new length."""
    lengths: Tensor
    """[B] int64 new frames."""
    mirrored: Tensor
    """[B] bool: whether a sequence is mirrored."""
    image: Tensor
    """[B, 2, 2]: rotation x shear x zoom of the image."""
    body_shift: Tensor
    """[B, 2]: shift of the whole body, in units of length."""
    turns: Tensor
    """[B, P, 2, 2]: rotation of each block about its centre."""
    shifts: Tensor
    """[B, P, 2]: shift of each block, in units of length."""
    shown: Tensor
    """[B, T', blocks] bool: False where a block is hidden, and beyond the new length."""
    noise: tuple[tuple[int, int], ...]
    """(new frames, seed of the jitter) of each sequence; numbers, since the host needs them."""


@dataclass(frozen=True)
class SoftLabels:
    """What a teacher says of B sequences, on the output steps of the model that learns."""

    log_probs: Tensor
    """[B, T', V] float32."""
    lengths: Tensor
    """[B] int64 valid output steps."""


@dataclass(frozen=True)
class Batch:
    """Padded sequences; beyond a sequence's length everything is 0."""

    rows: Tensor
    """[B] int64 row numbers in the corpus."""
    features: Tensor
    """[B, T, D] base values in the corpus' storage dtype."""
    presence: Tensor
    """[B, T, blocks] bool."""
    lengths: Tensor
    """[B] int64 frames."""
    targets: Tensor
    """[B, U] int64 token ids, padded with 0; empty where the rows are not trained on."""
    target_lengths: Tensor
    """[B] int64 tokens."""
    draws: Draws | None = None
    """The draws of the augmentation; None for no augmentation."""
    teacher: SoftLabels | None = None
    """The soft labels of the teachers."""
    mean_teacher: SoftLabels | None = None
    """What the moving average of the model's own weights says."""

    def to(self, device: torch.device) -> Batch:
        """Copies the batch to `device` without waiting; for a CPU returns the batch itself."""
        if device.type == "cpu":
            return self
        parts = {"draws": self.draws, "teacher": self.teacher, "mean_teacher": self.mean_teacher}
        moved = {name: _moved(part, device) for name, part in parts.items() if part is not None}
        batch: Batch = replace(_moved(self, device), **moved)
        return batch


def _moved(record: Any, device: torch.device) -> Any:
    """Copies the tensors of one of these records."""
    tensors: dict[str, Any] = {
        name: value.pin_memory().to(device, non_blocking=True)
        for name, value in vars(record).items()
        if isinstance(value, Tensor)
    }
    return replace(record, **tensors)
