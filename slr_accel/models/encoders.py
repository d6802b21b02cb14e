"""Encodes the features of each landmark block by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.features.transform import FeatureTransform


class BlockEncoders(nn.Module):
    """Encodes each landmark block, [B, T, F] -> one [B, T, C] per block.

    An encoder is a convolution over a few frames of its block's features, plus weights where the
    block is present. Raises ValueError where a block has no features.
    """

    def __init__(
        self, features: FeatureTransform, channels: int, kernel_size: int, face_kernel_size: int
    ) -> None:
        super().__init__()
        self._widths = features.columns.block_widths
        names = [block.name for block in features.columns.blocks]
        empty = [name for name, width in zip(names, self._widths, strict=True) if not width]
        if empty:
            raise ValueError(
                f"groups and exclude_points leave no features of {', '.join(empty)}; name the "
                "blocks to use with --blocks"
            )
        sizes = [
            face_kernel_size if b.name == "face" else kernel_size for b in features.columns.blocks
        ]
        self.convs = nn.ModuleList(
            nn.Conv1d(width, channels, size, padding=size // 2)
            for width, size in zip(self._widths, sizes, strict=True)
        )
        self.presence = nn.ParameterList(torch.zeros(channels) for _ in self._widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encodes what FeatureTransform returns: the blocks' features, then a presence for each.

        Padding is 0 there, as the convolutions' own padding before a sequence's start is.
        """
        *blocks, presence = x.split([*self._widths, len(self._widths)], dim=-1)
        return [
            conv(block.transpose(1, 2)).transpose(1, 2) + present * weight
            for block, present, conv, weight in zip(
                blocks, presence.split(1, dim=-1), self.convs, self.presence, strict=True
            )
        ]
