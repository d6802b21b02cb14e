"""Frames of padded batches: which are a sequence's own, and picking some of them."""

from __future__ import annotations

import torch
from torch import Tensor


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """[B, T] bool: True on a sequence's own frames."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


def frames_at(values: Tensor, index: Tensor) -> Tensor:
    """values[b, index[b, t]] for [B, T, C] values and [B, T'] indices."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))
