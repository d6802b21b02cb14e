"""I3D's inception block over time (Szegedy et al. 2015; Carreira and Zisserman 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.models.blocks import MaskedConv, pooled
from slr_accel.models.norms import make_norm
from slr_accel.models.settings import Normalisation

SPANS = (3, 5, 5, 7)
"""Frames that the views see. All smooth: one frame, or the maximum over three, as I3D has them,
let the landmarks' noise through: 43 instead of 32 % WER on wlasl50 (25 of 30 epochs)."""
EXPANSION = 2
"""Width of all views together over that of the block."""


class Inception(nn.Module):
    """[B, T, C] -> [B, ceil(T / stride), C]: views of different spans side by side, added to it.

    Each view is of channels of its own, and each channel is convolved by itself.
    """

    def __init__(
        self, channels: int, *, stride: int, normalisation: Normalisation, dropout: float
    ) -> None:
        super().__init__()
        width = EXPANSION * channels
        own = width // len(SPANS)
        self.stride = stride
        self.norm = make_norm(normalisation, channels)
        self.widen = nn.Linear(channels, width)
        self.views = nn.ModuleList(MaskedConv(own, own, span, stride, own) for span in SPANS)
        self.views_norm = make_norm(normalisation, width)
        self.narrow = nn.Linear(width, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, C], [B] -> [B, ceil(T / stride), C] and its lengths."""
        wide = functional.hardswish(self.widen(self.norm(x, lengths)))
        parts = zip(self.views, wide.chunk(len(SPANS), dim=-1), strict=True)
        seen = [view(part, lengths) for view, part in parts]
        new_lengths = seen[0][1]
        y = self.views_norm(torch.cat([view for view, _ in seen], dim=-1), new_lengths)
        y = self.narrow(functional.hardswish(y))
        return pooled(x, lengths, self.stride) + self.dropout(y), new_lengths
