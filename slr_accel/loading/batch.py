"""Defines a batch: padded sequences, and the draws of their augmentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

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

    def to(self, device: torch.device) -> Batch:
        """Copies the batch to `device` without waiting; for a CPU returns the batch itself."""
        if device.type == "cpu":
            return self
        draws = None if self.draws is None else _moved(self.draws, device)
        return replace(_moved(self, device), draws=draws)

    def pinned(self) -> Batch:
        """A copy in pinned memory, which `to` takes without a copy of its own."""
        draws = None if self.draws is None else _pinned(self.draws)
        return replace(_pinned(self), draws=draws)


Record = TypeVar("Record", Batch, Draws)


def _moved(record: Record, device: torch.device) -> Record:
    return _changed(record, lambda value: value.pin_memory().to(device, non_blocking=True))


def _pinned(record: Record) -> Record:
    return _changed(record, lambda value: value.pin_memory())


def _changed(record: Record, change: Callable[[Tensor], Tensor]) -> Record:
    tensors: dict[str, Any] = {
        name: change(value) for name, value in vars(record).items() if isinstance(value, Tensor)
    }
    return replace(record, **tensors)
