"""Masks padded batches, and selects frames of each sequence."""

from __future__ import annotations

import torch
from torch import Tensor


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """Returns [B, T] bool for [B] lengths and T frames: False on padding."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


def frames_at(values: Tensor, index: Tensor) -> Tensor:
    """Returns values[b, index[b, t]] for values [B, T, C] and indices [B, T']."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))
