"""Random changes of training sequences that leave their labels true, on the device.

They act on base values, before the feature transform. What happens to a sequence depends on (seed,
epoch, row) alone: not on its batch, the process, or what was trained before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from slr_accel.corpus.layout import Layout
from slr_accel.features.body import BodyFrame, frame_mask
from slr_accel.features.settings import AugmentationSettings
from slr_accel.loading.loader import Batch


class Augmentation(nn.Module):
    """Batch -> batch, with other values, presence and lengths.

    Args:
        layout: of the corpus.
        settings: what is done and how strongly.
        output_stride: of the model: no sequence becomes shorter than its labels need.
        column_deviation: [base values] of the train split, the unit of jitter where the layout has
            no unit of length.
    """

    column_deviation: Tensor

    def __init__(
        self,
        layout: Layout,
        settings: AugmentationSettings,
        output_stride: int,
        column_deviation: Tensor,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.settings = settings
        self.output_stride = output_stride
        self.body = BodyFrame(layout)
        self.register_buffer("column_deviation", column_deviation)
        self._x = self._columns("x")
        self._y = self._columns("y")

    def _columns(self, axis: str) -> list[int]:
        return [
            self.layout.point_columns(f"{block.name}.{point}", (axis,))[0]
            for block in self.layout.blocks
            if {"x", "y"} <= set(block.axes)
            for point in block.points
        ]

    @torch.no_grad()
    def forward(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        randoms = [np.random.default_rng([seed, epoch, int(row)]) for row in batch.rows]
        values, presence, lengths = batch.features.float(), batch.presence, batch.lengths
        if self.settings.time_stretch > 1:
            values, presence, lengths = self._stretch(values, presence, batch, randoms)
        if self._x:
            values = self._transform_image(values, presence, lengths, randoms)
        if self.settings.jitter:
            values = values + self._noise(values, presence, lengths, randoms)
        presence = self._hide(presence, lengths, randoms)
        return replace(batch, features=values, presence=presence, lengths=lengths)

    def _stretch(
        self,
        values: Tensor,
        presence: Tensor,
        batch: Batch,
        randoms: list[np.random.Generator],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Resamples each sequence to a new length by linear interpolation."""
        most = np.log(self.settings.time_stretch)
        factors = np.array([np.exp(random.uniform(-most, most)) for random in randoms])
        wanted = torch.from_numpy(factors).to(values.device) * batch.lengths
        lengths = torch.maximum(wanted.round().long(), self._needed(batch))
        steps = torch.arange(int(lengths.max()), device=values.device)
        # Frame t of the new sequence looks at this place in the old one; its ends meet.
        ratio = (batch.lengths - 1) / (lengths - 1).clamp(min=1)
        place = torch.minimum(steps * ratio[:, None], batch.lengths[:, None] - 1.0)  # (B, T')
        before = place.floor().long()
        after = torch.minimum(before + 1, batch.lengths[:, None] - 1)
        fraction = (place - before)[..., None].to(values.dtype)
        stretched = torch.lerp(_frames(values, before), _frames(values, after), fraction)
        # Between a present and an absent frame there is nothing to interpolate.
        seen = _frames(presence, before) & (_frames(presence, after) | (fraction == 0))
        inside = frame_mask(lengths, len(steps))[..., None]
        return stretched * inside, seen & inside, lengths

    def _needed(self, batch: Batch) -> Tensor:
        """[B] frames below which CTC could not align the labels."""
        targets, lengths = batch.targets, batch.target_lengths
        repeats = (targets[:, 1:] == targets[:, :-1]) & frame_mask(lengths - 1, targets.shape[1] - 1)
        needed = (lengths + repeats.sum(dim=1)) * self.output_stride
        return torch.minimum(needed, batch.lengths).clamp(min=1)

    def _transform_image(
        self,
        values: Tensor,
        presence: Tensor,
        lengths: Tensor,
        randoms: list[np.random.Generator],
    ) -> Tensor:
        """Rotates, zooms and shifts x and y about the body's origin."""
        s = self.settings
        most = np.log(s.zoom)
        drawn = np.array(
            [
                [
                    random.uniform(-s.rotation, s.rotation),
                    np.exp(random.uniform(-most, most)),
                    np.exp(random.uniform(-most, most)),
                    *random.normal(0, s.shift, 2),
                ]
                for random in randoms
            ]
        )
        angle, zoom_x, zoom_y, shift_x, shift_y = (
            torch.from_numpy(drawn).to(values).T[..., None, None]  # five of (B, 1, 1)
        )
        visible = presence & frame_mask(lengths, presence.shape[1])[..., None]
        if len(self.body.axes) == 2:
            centre_x, centre_y = self.body.origin(values, visible).T[..., None, None]
        else:
            centre_x = centre_y = torch.zeros_like(angle)
        unit_x, unit_y = self._unit(values, visible)
        x, y = values[..., self._x] - centre_x, values[..., self._y] - centre_y
        turned_x = x * angle.cos() - y * angle.sin()
        turned_y = x * angle.sin() + y * angle.cos()
        values = values.clone()
        values[..., self._x] = turned_x * zoom_x + shift_x * unit_x[..., self._x] + centre_x
        values[..., self._y] = turned_y * zoom_y + shift_y * unit_y[..., self._y] + centre_y
        return values

    def _unit(self, values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        unit = self._unit_of_columns(values, visible)
        return unit, unit

    def _unit_of_columns(self, values: Tensor, visible: Tensor) -> Tensor:
        """[B, 1, D]: the body's length on coordinates, else the column's train deviation."""
        unit = self.column_deviation.expand(len(values), 1, -1)
        if not self.layout.scale:
            return unit
        length = self.body.scale(values, visible)[:, None, None]
        return torch.where(self._is_coordinate(values.device), length, unit)

    def _noise(
        self,
        values: Tensor,
        presence: Tensor,
        lengths: Tensor,
        randoms: list[np.random.Generator],
    ) -> Tensor:
        visible = presence & frame_mask(lengths, presence.shape[1])[..., None]
        noise = torch.zeros_like(values)
        for i, random in enumerate(randoms):
            generator = torch.Generator(values.device).manual_seed(int(random.integers(2**62)))
            own = noise[i, : int(lengths[i])]
            own.normal_(generator=generator)
        return noise * self.settings.jitter * self._unit_of_columns(values, visible)

    def _hide(
        self, presence: Tensor, lengths: Tensor, randoms: list[np.random.Generator]
    ) -> Tensor:
        """Makes a span of frames absent, or a block in all frames."""
        s = self.settings
        presence = presence.clone()
        for i, random in enumerate(randoms):
            length = int(lengths[i])
            span = int(random.uniform(0, s.time_mask) * length)
            start = int(random.integers(0, length - span + 1))
            presence[i, start : start + span] = False
            dropped = random.random(presence.shape[2]) < s.block_dropout
            if not dropped.all():
                presence[i, :, torch.from_numpy(dropped)] = False
        return presence


def _frames(values: Tensor, index: Tensor) -> Tensor:
    """values[b, index[b, t]] for [B, T, C] values and [B, T'] indices."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))
