"""Defines a batch: padded sequences, and the draws of their augmentation."""

from __future__ import annotations

from collections.abc import Callable
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
    features: Tensor | None = None
    """[B, T', C] what the teachers' final heads read, where it is matched."""


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
    """[B] int64 tokens; on the host, wherever the batch is, since CTC reads them there."""
    draws: Draws | None = None
    """The draws of the augmentation; None for no augmentation."""
    frames: Tensor | None = None
    """[B] int64 frames that the model is given, augmented, on the host; None: they are `lengths`,
    and these lie there."""
    teacher: SoftLabels | None = None
    """The soft labels of the teachers."""
    mean_teacher: SoftLabels | None = None
    """What the moving average of the model's own weights says."""

    def to(self, device: torch.device) -> Batch:
        """Copies the batch to `device` without waiting; for a CPU returns the batch itself."""
        if device.type == "cpu":
            return self
        parts = self._parts(lambda part: _moved(part, device))
        on_host = {"target_lengths": self.target_lengths, "frames": self.frames_on_host}
        moved: Batch = replace(_moved(replace(self, frames=None), device), **parts, **on_host)
        return moved

    @property
    def frames_on_host(self) -> Tensor:
        """[B] int64 frames that the model is given, known without asking a device."""
        return self.lengths if self.frames is None else self.frames

    def pinned(self) -> Batch:
        """A copy in pinned memory, which `to` takes without a copy of its own."""
        pinned: Batch = replace(_pinned(self), **self._parts(_pinned))
        return pinned

    def _parts(self, change: Callable[[Any], Any]) -> dict[str, Any]:
        """The records within the batch, changed."""
        parts = {"draws": self.draws, "teacher": self.teacher, "mean_teacher": self.mean_teacher}
        return {name: change(part) for name, part in parts.items() if part is not None}


def _moved(record: Any, device: torch.device) -> Any:
    """Copies the tensors of one of these records."""
    return _changed(record, lambda value: value.pin_memory().to(device, non_blocking=True))


def _pinned(record: Any) -> Any:
    return _changed(record, lambda value: value.pin_memory())


def _changed(record: Any, change: Callable[[Tensor], Tensor]) -> Any:
    tensors: dict[str, Any] = {
        name: change(value) for name, value in vars(record).items() if isinstance(value, Tensor)
    }
    return replace(record, **tensors)
