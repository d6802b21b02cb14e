"""What is made of a frame's features, block by block: face, hands and body speak for themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.features.transform import FeatureTransform


class BlockEncoders(nn.Module):
    """An encoder of its own for each landmark block, [B, T, F] -> one [B, T, C] a block.

    A convolution over a few frames of the block's features, and what its presence adds; nothing of
    the others. Raises ValueError where a block has no features.
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
        """`x` is what FeatureTransform gives: the blocks' features, then a presence each.

        Beyond a sequence's length that is 0, as it is before its start.
        """
        *blocks, presence = x.split([*self._widths, len(self._widths)], dim=-1)
        return [
            conv(block.transpose(1, 2)).transpose(1, 2) + present * weight
            for block, present, conv, weight in zip(
                blocks, presence.split(1, dim=-1), self.convs, self.presence, strict=True
            )
        ]
