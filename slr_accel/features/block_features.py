"""Makes the feature groups of one block: positions, motion, shape and distances."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.features.columns import Anchor, FeatureColumns
from slr_accel.features.index_select import IndexSelect
from slr_accel.layouts.layout import Block

SMALLEST_SIZE = 1e-3
"""Least size of a block, in units of length: smaller ones are tracking failures."""


class BlockFeatures(nn.Module):
    """Writes a block's columns of the features.

    Args:
        columns: the feature columns of all blocks.
    """

    def __init__(self, columns: FeatureColumns, block: Block) -> None:
        super().__init__()
        layout = columns.layout
        self.block = block
        self.index = layout.block_index(block.name)
        self.places = columns.places(block)
        self.kept = IndexSelect(columns.kept[block.name], len(block.points))
        self.corners = IndexSelect(columns.corners(block), len(block.points))
        # A block without an anchor has no groups that need one.
        anchor = columns.anchor(block) or Anchor(block.name, block.points)
        self.anchor = layout.block(anchor.block)
        self.anchor_index = layout.block_index(anchor.block)
        self.anchor_points = IndexSelect(
            [self.anchor.points.index(point) for point in anchor.points], len(self.anchor.points)
        )

    def forward(
        self,
        features: Tensor,
        points: dict[str, Tensor],
        present: Tensor,
        frames_per_second: float,
    ) -> list[tuple[slice, Tensor]]:
        """Writes group by group to `features` (B, T, F), in place: on a CPU new memory is slow.

        Args:
            points: (B, T, P, A) of each block, centred on the body, in its unit of length.
            present: (B, T, blocks) bool.
            frames_per_second: frame rate of the sequences, since motion is per second.

        Returns:
            for each group the columns written, and the frames (B, T, 1) where they are valid.
        """
        written = []
        kept = self.kept(points[self.block.name], dim=2)
        own = present[..., self.index]
        for group, columns, shape in self.places:
            out = features[..., columns].unflatten(-1, shape)
            if group == "position":
                out.copy_(kept)
                valid = own
            elif group in ("velocity", "acceleration"):
                valid = self._write_motion(out, group, kept, own, frames_per_second)
            else:
                self._write_anchored(out, group, points, kept)
                valid = own & present[..., self.anchor_index]
            written.append((columns, valid[..., None]))
        return written

    def _write_motion(
        self, out: Tensor, group: str, kept: Tensor, own: Tensor, frames_per_second: float
    ) -> Tensor:
        """Writes central differences per second; the first and the last frame have none."""
        before, middle, after = kept[:, :-2], kept[:, 1:-1], kept[:, 2:]
        out[:, :1], out[:, -1:] = 0, 0
        inner, valid = out[:, 1:-1], torch.zeros_like(own)
        valid[:, 1:-1] = own[:, :-2] & own[:, 2:]
        if group == "velocity":
            torch.sub(after, before, out=inner).mul_(frames_per_second / 2)
            return valid
        torch.sub(after, middle, alpha=2, out=inner).add_(before).mul_(frames_per_second**2)
        return valid & own

    def _write_anchored(
        self, out: Tensor, group: str, points: dict[str, Tensor], kept: Tensor
    ) -> None:
        """Writes a group that is measured from the block's anchor."""
        own = points[self.block.name]
        centre = self.anchor_points(points[self.anchor.name], dim=2).mean(dim=2, keepdim=True)
        if group == "relative":
            _subtract(out.copy_(kept), centre)
            return
        # Root of the mean squared distance of all points from the anchor.
        distance = (own - centre).square().sum(dim=-1).mean(dim=-1).sqrt()
        size = distance[..., None, None].clamp(min=SMALLEST_SIZE)
        if group == "shape":
            _subtract(out.copy_(kept), centre)
            out /= size
            return
        corners = (self.corners(own, dim=2) - centre) / size
        count = corners.shape[2]
        first, second = torch.triu_indices(count, count, 1, device=corners.device)
        torch.norm(corners[:, :, first] - corners[:, :, second], dim=-1, keepdim=True, out=out)


def _subtract(points: Tensor, centre: Tensor) -> None:
    """Computes (B, T, P, A) -= (B, T, 1, A), axis by axis: broadcasting is slower."""
    for axis in range(points.shape[-1]):
        points[..., axis] -= centre[..., axis]
