"""Random changes of training sequences that leave their labels true, on the device.

They act on base values, before the feature transform.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from slr_accel.features.augmentation_draws import Chance
from slr_accel.features.body import BodyFrame
from slr_accel.features.resampling import resample
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.mirror import mirror_of
from slr_accel.loading.batch import Batch, Draws
from slr_accel.padding import frame_mask
from slr_accel.settings.features import AugmentationSettings


class Augmentation(nn.Module):
    """Batch -> batch, with other values, presence and lengths, as `drawn` attached to it.

    Nothing is read back from the device, and constants lie on it: it is not waited for.

    Args:
        layout: of the corpus.
        settings: what is done and how strongly.
        output_stride: of the model: no sequence becomes shorter than its labels need.
        column_deviation: [base values] of the train split.

    Raises:
        ValueError: a setting cannot be used with the layout.
    """

    column_deviation: Tensor
    mean_deviation: Tensor
    is_coordinate: Tensor

    def __init__(
        self,
        layout: Layout,
        settings: AugmentationSettings,
        output_stride: int,
        column_deviation: Tensor,
    ) -> None:
        super().__init__()
        problems = settings.problems_with(layout)
        if problems:
            raise ValueError("; ".join(problems))
        self.settings = settings
        self.output_stride = output_stride
        self.has_scale = bool(layout.scale)
        self.body = BodyFrame(layout)
        self.chance = Chance(layout, settings)
        self.mirrored = _Mirrored(layout) if settings.mirror_probability else None
        self.planes = nn.ModuleList(_Plane(layout, block) for block in self.chance.planes)
        coordinates = [
            column
            for block in layout.blocks
            if block.coordinates
            for point in _columns(layout, block.name, block.coordinates)
            for column in point
        ]
        is_coordinate = torch.zeros(layout.columns, dtype=torch.bool)
        is_coordinate[coordinates] = True
        mean = column_deviation[coordinates].mean() if coordinates else torch.ones(())
        self.register_buffer("column_deviation", column_deviation)
        self.register_buffer("mean_deviation", mean)
        self.register_buffer("is_coordinate", is_coordinate)

    def drawn(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """The batch, still on the host, with what epoch `epoch` does to it."""
        if self.settings.is_off:
            return batch
        rows, frames = batch.rows.tolist(), batch.lengths.tolist()
        needed = self._needed_frames(batch)
        return replace(batch, draws=self.chance.draw(rows, frames, needed, seed=seed, epoch=epoch))

    def _needed_frames(self, batch: Batch) -> list[int]:
        """Frames below which CTC could not align the labels of each sequence."""
        targets, lengths = batch.targets, batch.target_lengths
        repeats = (targets[:, 1:] == targets[:, :-1]) & frame_mask(lengths, targets.shape[1])[:, 1:]
        return ((lengths + repeats.sum(dim=1)) * self.output_stride).tolist()

    @torch.no_grad()
    def forward(self, batch: Batch) -> Batch:
        """The batch after its draws; features become float32."""
        values, draws = batch.features.float(), batch.draws
        if draws is None:
            return replace(batch, features=values)
        values, presence = resample(
            values, batch.presence, batch.lengths, draws.places, draws.lengths
        )
        if self.mirrored is not None:
            middle = self.body.origin(values, presence)[1][:, self.body.axes.index("x")]
            values, presence = self.mirrored(values, presence, middle, draws.mirrored)
        unit = self._unit_of_length(values, presence)
        if self.planes:
            self._move(values, presence, unit, draws)
        if self.settings.jitter:
            deviation = torch.where(self.is_coordinate, unit[:, None], self.column_deviation)
            noise = _noise(values, draws.noise)
            values = values + noise * self.settings.jitter * deviation[:, None]
        presence = presence & draws.shown
        return replace(batch, features=values, presence=presence, lengths=draws.lengths, draws=None)

    def _unit_of_length(self, values: Tensor, presence: Tensor) -> Tensor:
        """[B] the body's length, or the mean train deviation of the coordinates."""
        if self.has_scale:
            return self.body.scale(values, presence)[1]
        return self.mean_deviation.expand(len(values))

    def _move(self, values: Tensor, presence: Tensor, unit: Tensor, draws: Draws) -> None:
        """Turns, zooms and shears the image about the body's origin (where the layout names none,
        about the image's), then moves single blocks; in place."""
        _, origin = self.body.origin(values, presence)
        if origin.shape[1] < 2:
            origin = values.new_zeros(len(values), 2)
        goal = origin + draws.body_shift * unit[:, None]
        shifts = draws.shifts * unit[:, None, None]
        for i, plane in enumerate(self.planes):
            plane(values, draws.image, origin, goal, draws.turns[:, i], shifts[:, i])


class _Plane(nn.Module):
    """x and y of a block's points."""

    columns: Tensor

    def __init__(self, layout: Layout, block: int) -> None:
        super().__init__()
        columns = _columns(layout, layout.blocks[block].name, ("x", "y"))
        self.register_buffer("columns", torch.tensor(columns))

    def forward(
        self,
        values: Tensor,
        image: Tensor,
        centre: Tensor,
        goal: Tensor,
        turn: Tensor,
        shift: Tensor,
    ) -> None:
        """Moves them in `values` [B, T, D]: the image about `centre`, which comes to `goal`, then
        the block about its middle.

        `image` and `turn` are [B, 2, 2], the others [B, 2].
        """
        points = values[..., self.columns]  # (B, T, P, 2)
        points = _apply(image, points - centre[:, None, None]) + goal[:, None, None]
        middle = points.mean(dim=2, keepdim=True)
        values[..., self.columns] = _apply(turn, points - middle) + middle + shift[:, None, None]


class _Mirrored(nn.Module):
    """Mirrors some sequences about the middle of the body."""

    blocks: Tensor
    columns: Tensor
    is_x: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        mirror = mirror_of(layout)
        is_x = torch.zeros(layout.columns, dtype=torch.bool)
        is_x[mirror.x_columns] = True
        self.register_buffer("blocks", torch.tensor(mirror.blocks))
        self.register_buffer("columns", torch.tensor(mirror.columns))
        self.register_buffer("is_x", is_x)

    def forward(
        self, values: Tensor, presence: Tensor, middle: Tensor, chosen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`middle` [B] is x in each sequence; `chosen` [B] says which are mirrored."""
        changed = values[..., self.columns]
        changed = torch.where(self.is_x, 2 * middle[:, None, None] - changed, changed)
        chosen = chosen[:, None, None]
        return (
            torch.where(chosen, changed, values),
            torch.where(chosen, presence[..., self.blocks], presence),
        )


def _columns(layout: Layout, block: str, axes: tuple[str, ...]) -> list[list[int]]:
    return [layout.point_columns(f"{block}.{p}", axes) for p in layout.block(block).points]


def _noise(like: Tensor, own: tuple[tuple[int, int], ...]) -> Tensor:
    """Like [B, T, D], from each sequence's own number of frames and seed."""
    noise = torch.zeros_like(like)
    for sequence, (frames, seed) in zip(noise, own, strict=True):
        generator = torch.Generator(like.device).manual_seed(seed)
        sequence[:frames].normal_(generator=generator)
    return noise


def _apply(matrices: Tensor, points: Tensor) -> Tensor:
    """(B, 2, 2) on (B, T, P, 2)."""
    return torch.einsum("bij,btpj->btpi", matrices, points)
