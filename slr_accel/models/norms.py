"""Normalises each frame or each sequence by itself, without padding or other sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.padding import frame_mask
from slr_accel.settings.models.base import SEQUENCE_GROUPS, Normalisation


def make_norm(kind: Normalisation, channels: int) -> FrameNorm | MaskedGroupNorm:
    """Makes a norm of [B, T, C] that is called with the sequences' lengths [B]."""
    if kind == "frame":
        return FrameNorm(channels)
    return MaskedGroupNorm(channels, SEQUENCE_GROUPS)


class FrameNorm(nn.LayerNorm):
    """Layer norm (Ba et al. 2016), for which lengths do not matter."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)


class MaskedGroupNorm(nn.Module):
    """Group norm (Wu and He 2018) of [B, T, C] over each sequence's own frames, in float32."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            grouped = x.float().unflatten(-1, (self.groups, -1))  # (B, T, G, C / G)
            mask = frame_mask(lengths, x.shape[1])[:, :, None, None]
            count = (lengths * grouped.shape[-1])[:, None, None, None]
            mean = (grouped * mask).sum(dim=(1, 3), keepdim=True) / count
            centred = (grouped - mean) * mask
            variance = centred.square().sum(dim=(1, 3), keepdim=True) / count
            normed = (centred * (variance + 1e-5).rsqrt()).flatten(2)
            return normed * self.weight + self.bias
