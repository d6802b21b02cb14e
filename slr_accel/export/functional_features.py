"""Makes the features of FeatureTransform without writing in place, for export.

Training writes every group into its columns, since new memory is slow on a CPU. A graph of an
export has no such writes: here the groups are made one by one and joined. The numbers are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.features.block_features import SMALLEST_SIZE, BlockFeatures
from slr_accel.features.index_select import IndexSelect
from slr_accel.features.transform import LARGEST, FeatureTransform
from slr_accel.padding import frame_mask


class FunctionalFeatures(nn.Module):
    """Takes the place of a FeatureTransform in evaluation: the same arguments and results.

    Motion is per second at the frame rate of training.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, transform: FeatureTransform) -> None:
        super().__init__()
        self.layout = transform.layout
        self.columns = transform.columns
        self.body = transform.body
        self.frames_per_second = transform.frames_per_second
        self._axes = transform._axes
        self._used_blocks = transform._used_blocks
        self._blocks = nn.ModuleList(
            _FunctionalBlock(block)
            for block in transform._blocks
            if isinstance(block, BlockFeatures)
        )
        self.register_buffer("mean", transform.mean)
        self.register_buffer("deviation", transform.deviation)

    def forward(self, values: Tensor, presence: Tensor, lengths: Tensor) -> Tensor:
        """Returns [B, T, num_features] float32, as FeatureTransform does."""
        present = presence.bool() & frame_mask(lengths, presence.shape[1])[..., None]
        points = self._normalised_points(values, present)
        groups: list[Tensor] = []
        for block in self._blocks:
            for own, made, valid in block(points, present, self.frames_per_second):
                standard = (made.flatten(2) - self.mean[own]) / self.deviation[own]
                groups.append(standard.clamp(-LARGEST, LARGEST) * valid[..., None])
        return torch.cat([*groups, self._used_blocks(present).float()], dim=-1)

    def _normalised_points(self, values: Tensor, present: Tensor) -> dict[str, Tensor]:
        """Returns (B, T, P, A) of each block: centred on the body, in its unit of length."""
        origin, _ = self.body.origin(values, present)
        scale = self.body.scale(values, present)[0][..., None, None]
        points = {}
        for block, pick in zip(self.columns.read, self._axes, strict=True):
            shape = (len(block.points), len(block.axes))
            own = values[..., self.layout.slices[block.name]].unflatten(-1, shape)
            own = pick(own).float()
            if block.coordinates:
                centre = dict(zip(self.body.axes, origin.unbind(dim=-1), strict=True))
                nothing = torch.zeros_like(scale[..., 0, 0])
                shift = [centre.get(axis, nothing) for axis in self.columns.axes(block)]
                own = (own - torch.stack(shift, dim=-1)[:, :, None]) / scale
            points[block.name] = own
        return points


class _FunctionalBlock(nn.Module):
    """The groups of one block, each made anew."""

    def __init__(self, block: BlockFeatures) -> None:
        super().__init__()
        self.block = block
        count = len(block.corners.indices) if block.corners.indices is not None else 0
        pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
        self.first = IndexSelect([i for i, _ in pairs], count)
        self.second = IndexSelect([j for _, j in pairs], count)

    def forward(
        self, points: dict[str, Tensor], present: Tensor, frames_per_second: float
    ) -> list[tuple[slice, Tensor, Tensor]]:
        """Returns (columns, values (B, T, P, A), valid frames (B, T)) of each group."""
        block = self.block
        kept = block.kept(points[block.block.name], dim=2)
        own = present[..., block.index]
        made = []
        for group, columns, _ in block.places:
            if group == "position":
                values, valid = kept, own
            elif group in ("velocity", "acceleration"):
                values, valid = _motion(group, kept, own, frames_per_second)
            else:
                values = self._anchored(group, points, kept)
                valid = own & present[..., block.anchor_index]
            made.append((columns, values, valid))
        return made

    def _anchored(self, group: str, points: dict[str, Tensor], kept: Tensor) -> Tensor:
        block = self.block
        own = points[block.block.name]
        centre = block.anchor_points(points[block.anchor.name], dim=2).mean(dim=2, keepdim=True)
        if group == "relative":
            return kept - centre
        distance = (own - centre).square().sum(dim=-1).mean(dim=-1).sqrt()
        size = distance[..., None, None].clamp(min=SMALLEST_SIZE)
        if group == "shape":
            return (kept - centre) / size
        corners = (block.corners(own, dim=2) - centre) / size
        between = self.first(corners, dim=2) - self.second(corners, dim=2)
        return between.norm(dim=-1, keepdim=True)


def _motion(
    group: str, kept: Tensor, own: Tensor, frames_per_second: float
) -> tuple[Tensor, Tensor]:
    """Central differences per second. The first and the last frame have none: they are not valid.

    A sequence of any length keeps it: the ends stand in for the frames beyond them.
    """
    before = torch.cat([kept[:, :1], kept[:, :-1]], dim=1)
    after = torch.cat([kept[:, 1:], kept[:, -1:]], dim=1)
    outside = torch.zeros_like(own[:, :1])
    valid = torch.cat([outside, own[:, :-1]], dim=1) & torch.cat([own[:, 1:], outside], dim=1)
    if group == "velocity":
        return (after - before) * (frames_per_second / 2), valid
    return (after - 2 * kept + before) * frames_per_second**2, valid & own
