"""I3D's inception block over time (Szegedy et al. 2015; Carreira and Zisserman 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.features.frames import frame_mask
from slr_accel.models.blocks import MaskedConv
from slr_accel.models.norms import MaskedGroupNorm


class Inception(nn.Module):
    """[B, T, C] -> [B, T, C]: four views of different spans, side by side, added to the input.

    1 frame; 3 frames; 5 frames; the maximum over 3 frames. The wider ones see a narrowed input.
    """

    def __init__(self, channels: int, *, groups: int, dropout: float) -> None:
        super().__init__()
        quarter = channels // 4
        self.norm = MaskedGroupNorm(channels, groups)
        self.point = nn.Linear(channels, channels - 3 * quarter)
        self.narrow = nn.Linear(channels, 2 * quarter)
        self.three = MaskedConv(quarter, quarter, 3)
        self.five = MaskedConv(quarter, quarter, 5)
        self.pooled = nn.Linear(channels, quarter)
        self.out = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        y = functional.relu(self.norm(x, lengths))
        y = y * frame_mask(lengths, y.shape[1])[..., None]
        for_three, for_five = functional.relu(self.narrow(y)).chunk(2, dim=-1)
        # 0 is the least that can come out of ReLU, so padding never is a maximum.
        highest = functional.max_pool1d(y.transpose(1, 2), 3, 1, 1).transpose(1, 2)
        views = [
            self.point(y),
            self.three(for_three, lengths)[0],
            self.five(for_five, lengths)[0],
            self.pooled(highest),
        ]
        return x + self.dropout(self.out(functional.relu(torch.cat(views, dim=-1))))
