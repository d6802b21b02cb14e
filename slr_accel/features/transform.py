"""Makes features of base values: the first layer of every model, in float32, on the device.

Landmarks are centred on the body and measured in its unit of length. Of these the feature groups
that the settings name are made, and standardised by the train split's mean and deviation, which are
kept in the model's weights. Missing values are then 0. Each block has a presence channel.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from slr_accel.features.block_features import BlockFeatures
from slr_accel.features.body import BodyFrame
from slr_accel.features.columns import FeatureColumns
from slr_accel.features.index_select import IndexSelect
from slr_accel.layouts.layout import Layout
from slr_accel.padding import frame_mask
from slr_accel.settings.features import FeatureSettings

UNKNOWN_RATE = 25.0
"""Frames per second assumed where a corpus does not say."""
LARGEST = 10.0
"""Standardised features are clamped to this many deviations, against errors of a tracker."""


class FeatureTransform(nn.Module):
    """Makes [B, T, num_features] of [B, T, base values] and presence.

    Args:
        layout: the corpus' layout.
        settings: groups and blocks to use.
        frames_per_second: frame rate of the corpus trained on; None where it is not known.

    Attributes:
        frames_per_second: frame rate of the corpus trained on; 25 where it is not known.
        knows_rate: whether the frame rate is known.

    Raises:
        ValueError: the settings name blocks or a reduced face that the layout does not have, or
            leave no features.
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
        self._motion_rate = self.frames_per_second
        self.columns = FeatureColumns(layout, settings)
        self.body = BodyFrame(layout)
        self._blocks = nn.ModuleList(
            BlockFeatures(self.columns, block) for block in self.columns.blocks
        )
        self._axes = nn.ModuleList(
            IndexSelect([block.axes.index(a) for a in self.columns.axes(block)], len(block.axes))
            for block in self.columns.read
        )
        used = [layout.block_index(block.name) for block in self.columns.blocks]
        self._used_blocks = IndexSelect(used, len(layout.blocks))
        self.register_buffer("mean", torch.zeros(self.columns.num_values))
        self.register_buffer("deviation", torch.ones(self.columns.num_values))

    def read_at(self, frames_per_second: float | None) -> None:
        """Sets the frame rate of the sequences that follow, so that motion is still per second.

        Where this rate or that of training is not known, both count as equal.
        """
        known = frames_per_second if self.knows_rate else None
        self._motion_rate = known or self.frames_per_second

    def forward(self, values: Tensor, presence: Tensor, lengths: Tensor) -> Tensor:
        """Returns standardised features.

        Args:
            values: [B, T, base values], any dtype.
            presence: [B, T, blocks] bool.
            lengths: [B] int64 frames.

        Returns:
            [B, T, num_features] float32; 0 where a value is missing and on padding.
        """
        # Half precision would round a fingertip's motion away.
        with torch.autocast(values.device.type, enabled=False):
            present = self._present(presence, lengths)
            features = torch.empty(
                *presence.shape[:2], self.columns.num_features, device=values.device
            )
            for own, valid in self._write_groups(features, values, present):
                made = features[..., own].sub_(self.mean[own]).div_(self.deviation[own])
                made.clamp_(-LARGEST, LARGEST).mul_(valid)
            features[..., len(self.mean) :] = self._used_blocks(present)
            return features

    def groups(self, values: Tensor, presence: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Returns features before standardisation, and where they are valid: both [B, T, F]."""
        features = torch.empty(*presence.shape[:2], len(self.mean), device=values.device)
        valid = torch.empty_like(features, dtype=torch.bool)
        for own, of_group in self._write_groups(features, values, self._present(presence, lengths)):
            valid[..., own] = of_group
        return features, valid

    def _write_groups(
        self, features: Tensor, values: Tensor, present: Tensor
    ) -> Iterator[tuple[slice, Tensor]]:
        """Writes every group of every block to its columns of `features` (B, T, F).

        Yields the columns written for a group and the frames (B, T, 1) where they are valid.
        """
        points = self._normalised_points(values, present)
        for block in self._blocks:
            yield from block(features, points, present, self._motion_rate)

    def _normalised_points(self, values: Tensor, present: Tensor) -> dict[str, Tensor]:
        """Returns (B, T, P, A) of each block: centred on the body, in its unit of length."""
        origin, _ = self.body.origin(values, present)
        scale = self.body.scale(values, present)[0][..., None, None]
        points = {}
        for block, pick in zip(self.columns.read, self._axes, strict=True):
            axes = self.columns.axes(block)
            shape = (len(block.points), len(block.axes))
            own = values[..., self.layout.slices[block.name]].unflatten(-1, shape)
            own = pick(own).to(torch.float32, copy=True)
            if block.coordinates:
                # Only x and y are centred: in MediaPipe each block's z has an origin of its own.
                for axis, centre in zip(self.body.axes, origin.unbind(dim=-1), strict=True):
                    if axis in axes:
                        own[..., axes.index(axis)] -= centre[..., None]
                own /= scale
            points[block.name] = own
        return points

    def _present(self, presence: Tensor, lengths: Tensor) -> Tensor:
        """Returns [B, T, blocks] bool, False on padding."""
        return presence.bool() & frame_mask(lengths, presence.shape[1])[..., None]
