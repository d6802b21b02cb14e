"""Base values -> features: the part of every model that runs first, in float32, on the device.

Landmarks are centred on the body and measured in its unit of length, then come the groups that the
settings name. All is standardised by the train split's mean and deviation, kept in the model's
weights, and a presence channel a block is added. What is missing is 0 after that.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from slr_accel.corpus.layout import Block, Layout
from slr_accel.features.body import BodyFrame
from slr_accel.features.columns import Anchor, FeatureColumns
from slr_accel.features.frames import frame_mask
from slr_accel.features.settings import FeatureSettings

UNKNOWN_RATE = 25.0
"""Frames per second assumed where a corpus does not say."""
SMALLEST_SIZE = 1e-3
"""Of a block, in units of length: smaller ones are tracking failures."""
LARGEST = 10.0
"""Standardised features are clamped to this many deviations: a tracker's spike stays a spike."""


class FeatureTransform(nn.Module):
    """[B, T, base values] and presence -> [B, T, num_features].

    Args:
        layout: of the corpus; names the blocks.
        settings: groups and blocks to use.
        frames_per_second: motion is per second; None where the corpus does not say.

    Raises:
        ValueError: the settings name blocks or points that the layout does not have, or leave no
            features.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, layout: Layout, settings: FeatureSettings, frames_per_second: float | None
    ) -> None:
        super().__init__()
        self.layout = layout
        self.settings = settings
        self.frames_per_second = frames_per_second or UNKNOWN_RATE
        self.knows_rate = frames_per_second is not None
        self.columns = FeatureColumns(layout, settings)
        self.body = BodyFrame(layout)
        self.register_buffer("mean", torch.zeros(self.columns.num_values))
        self.register_buffer("deviation", torch.ones(self.columns.num_values))

    def forward(self, values: Tensor, presence: Tensor, lengths: Tensor) -> Tensor:
        """Standardised features.

        Args:
            values: [B, T, base values], any dtype.
            presence: [B, T, blocks] bool.
            lengths: [B] int64 frames.

        Returns:
            [B, T, num_features] float32; 0 where missing and beyond a sequence's length.
        """
        # Half precision would not tell a fingertip's motion from rounding.
        with torch.autocast(values.device.type, enabled=False):
            present = self._present(presence, lengths)
            features = torch.empty(
                *presence.shape[:2], self.columns.num_features, device=values.device
            )
            for own, valid in self._write_groups(features, values, present):
                made = features[..., own].sub_(self.mean[own]).div_(self.deviation[own])
                made.clamp_(-LARGEST, LARGEST).mul_(valid)
            features[..., len(self.mean) :] = present[..., self._block_indices()]
            return features

    def groups(self, values: Tensor, presence: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features before standardisation, and where they are valid: two [B, T, F] tensors."""
        features = torch.empty(*presence.shape[:2], len(self.mean), device=values.device)
        valid = torch.empty_like(features, dtype=torch.bool)
        for own, of_group in self._write_groups(features, values, self._present(presence, lengths)):
            valid[..., own] = of_group
        return features, valid

    def _write_groups(
        self, features: Tensor, values: Tensor, present: Tensor
    ) -> Iterator[tuple[slice, Tensor]]:
        """Writes every group of every block to its columns of `features` (B, T, F).

        In place, since on a CPU memory takes the time, and new memory most of it. Yields, group by
        group, the columns written and the frames (B, T, 1) where they are valid.
        """
        points = self._normalised_points(values, present)
        end = 0
        for block in self.columns.blocks:
            kept = _picked(points[block.name], self.columns.kept[block.name], dim=2)
            for group in self.settings.groups:
                shape = self.columns.shapes[block.name, group]
                own = slice(end, end := end + shape[0] * shape[1])
                if shape[0]:
                    out = features[..., own].unflatten(-1, shape)
                    yield own, self._write(out, group, block, points, kept, present)[..., None]

    def _write(
        self,
        out: Tensor,
        group: str,
        block: Block,
        points: dict[str, Tensor],
        kept: Tensor,
        present: Tensor,
    ) -> Tensor:
        """Writes one group of a block to `out` (B, T, P, A); returns where it is valid (B, T).

        Args:
            points: (B, T, P, A) of each block.
            kept: those of this block that become features.
            present: (B, T, blocks).
        """
        own = present[..., self.layout.block_index(block.name)]
        if group == "position":
            out.copy_(kept)
            return own
        if group in ("velocity", "acceleration"):
            return self._write_motion(out, group, kept, own)
        anchor = self.columns.anchor(block)
        assert anchor is not None, "else the group has no columns"
        self._write_anchored(out, group, block, anchor, points, kept)
        return own & present[..., self.layout.block_index(anchor.block)]

    def _write_motion(self, out: Tensor, group: str, kept: Tensor, own: Tensor) -> Tensor:
        """Central differences per second; the first and the last frame have none."""
        before, middle, after = kept[:, :-2], kept[:, 1:-1], kept[:, 2:]
        out[:, :1], out[:, -1:] = 0, 0
        inner, valid = out[:, 1:-1], torch.zeros_like(own)
        valid[:, 1:-1] = own[:, :-2] & own[:, 2:]
        if group == "velocity":
            torch.sub(after, before, out=inner).mul_(self.frames_per_second / 2)
            return valid
        torch.sub(after, middle, alpha=2, out=inner).add_(before).mul_(self.frames_per_second**2)
        return valid & own

    def _write_anchored(
        self,
        out: Tensor,
        group: str,
        block: Block,
        anchor: Anchor,
        points: dict[str, Tensor],
        kept: Tensor,
    ) -> None:
        of_anchor = self.layout.block(anchor.block)
        indices = [of_anchor.points.index(point) for point in anchor.points]
        centre = points[anchor.block][:, :, indices].mean(dim=2, keepdim=True)
        if group == "relative":
            _subtract(out.copy_(kept), centre)
            return
        # Root of the mean squared distance of all points from the anchor.
        distance = (points[block.name] - centre).square().sum(dim=-1).mean(dim=-1).sqrt()
        size = distance[..., None, None].clamp(min=SMALLEST_SIZE)
        if group == "shape":
            _subtract(out.copy_(kept), centre)
            out /= size
            return
        corners = self.columns.corners(block)
        first, second = torch.triu_indices(len(corners), len(corners), 1)
        corner_points = (points[block.name][:, :, corners] - centre) / size
        difference = corner_points[:, :, first] - corner_points[:, :, second]
        torch.norm(difference, dim=-1, keepdim=True, out=out)

    def _normalised_points(self, values: Tensor, present: Tensor) -> dict[str, Tensor]:
        """(B, T, P, A) of each block that is read, centred on the body, in its unit of length."""
        origin, _ = self.body.origin(values, present)
        scale = self.body.scale(values, present)[0][..., None, None]
        points = {}
        for block in self.columns.read:
            axes = self.columns.axes(block)
            shape = (len(block.points), len(block.axes))
            own = values[..., self.layout.slices[block.name]].unflatten(-1, shape)
            own = _picked(own, [block.axes.index(axis) for axis in axes], dim=3)
            own = own.to(torch.float32, copy=True)
            if block.coordinates:
                # z has an origin of its own in every block (MediaPipe): only x and y are centred.
                for axis, centre in zip(self.body.axes, origin.unbind(dim=-1), strict=True):
                    if axis in axes:
                        own[..., axes.index(axis)] -= centre[..., None]
                own /= scale
            points[block.name] = own
        return points

    def _present(self, presence: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, blocks] bool, False beyond a sequence's length."""
        return presence.bool() & frame_mask(lengths, presence.shape[1])[..., None]

    def _block_indices(self) -> list[int]:
        return [self.layout.block_index(block.name) for block in self.columns.blocks]


def _picked(values: Tensor, indices: list[int], dim: int) -> Tensor:
    """values[..., indices, ...], rising, of a dimension; no copy where that is all of it."""
    if len(indices) == values.shape[dim]:
        return values
    return values.index_select(dim, torch.tensor(indices, dtype=torch.long, device=values.device))


def _subtract(points: Tensor, centre: Tensor) -> None:
    """(B, T, P, A) -= (B, T, 1, A), an axis at a time: rows of three are slow to walk."""
    for axis in range(points.shape[-1]):
        points[..., axis] -= centre[..., axis]
