"""Base values -> features: the part of every model that runs first, in float32, on the device.

Landmarks are centred on the body and measured in its unit of length, then come the groups that the
settings name. All is standardised by the train split's mean and deviation, kept in the model's
weights, and a presence channel a block is added. What is missing is 0 after that.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from slr_accel.features.block_features import BlockFeatures
from slr_accel.features.body import BodyFrame
from slr_accel.features.buffer_index import Pick
from slr_accel.features.columns import FeatureColumns
from slr_accel.layouts.layout import Layout
from slr_accel.padding import frame_mask
from slr_accel.settings.features import FeatureSettings

UNKNOWN_RATE = 25.0
"""Frames per second assumed where a corpus does not say."""
LARGEST = 10.0
"""Standardised features are clamped to this many deviations: a tracker's spike stays a spike."""


class FeatureTransform(nn.Module):
    """[B, T, base values] and presence -> [B, T, num_features].

    Args:
        layout: of the corpus; names the blocks.
        settings: groups and blocks to use.
        frames_per_second: of the corpus trained on; None where it does not say.

    Attributes:
        frames_per_second: of the corpus trained on, 25 where it is not known.
        knows_rate: whether it is.

    Raises:
        ValueError: the settings name blocks that the layout does not have or ask for a reduced
            face that it has not, or leave no features.
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
            Pick([block.axes.index(a) for a in self.columns.axes(block)], len(block.axes))
            for block in self.columns.read
        )
        used = [layout.block_index(block.name) for block in self.columns.blocks]
        self._used_blocks = Pick(used, len(layout.blocks))
        self.register_buffer("mean", torch.zeros(self.columns.num_values))
        self.register_buffer("deviation", torch.ones(self.columns.num_values))

    def read_at(self, frames_per_second: float | None) -> None:
        """Sequences that come from now on have this frame rate: motion stays per second.

        As in training where one of the two rates is not known (None): one that is assumed says
        nothing of another.
        """
        if frames_per_second is None or not self.knows_rate:
            self._motion_rate = self.frames_per_second
        else:
            self._motion_rate = frames_per_second

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
            features[..., len(self.mean) :] = self._used_blocks(present)
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

        Yields, of each group, the columns written and the frames (B, T, 1) where they are valid.
        """
        points = self._normalised_points(values, present)
        for block in self._blocks:
            yield from block(features, points, present, self._motion_rate)

    def _normalised_points(self, values: Tensor, present: Tensor) -> dict[str, Tensor]:
        """(B, T, P, A) of each block that is read, centred on the body, in its unit of length."""
        origin, _ = self.body.origin(values, present)
        scale = self.body.scale(values, present)[0][..., None, None]
        points = {}
        for block, pick in zip(self.columns.read, self._axes, strict=True):
            axes = self.columns.axes(block)
            shape = (len(block.points), len(block.axes))
            own = values[..., self.layout.slices[block.name]].unflatten(-1, shape)
            own = pick(own).to(torch.float32, copy=True)
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
