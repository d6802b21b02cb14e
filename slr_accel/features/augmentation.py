"""Augments training sequences on the device, before the feature transform.

Sequences change at random, in ways after which their labels still hold.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from slr_accel.features.augmentation_sampler import AugmentationSampler
from slr_accel.features.body import BodyFrame
from slr_accel.features.resampling import resample
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.mirror import mirror_of
from slr_accel.loading.batch import Batch, Draws
from slr_accel.padding import frame_mask
from slr_accel.settings.features import AugmentationSettings


class Augmentation(nn.Module):
    """Changes values, presence and lengths of a batch as the draws say that `drawn` attached.

    The host never waits for the device: constants lie on it, and nothing is read back.

    Args:
        layout: the corpus' layout.
        settings: which changes, and how strong.
        output_stride: input frames per output step of the model: no sequence becomes shorter than
            its labels need.
        column_deviation: [base values] standard deviations over the train split.

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
        self.sampler = AugmentationSampler(layout, settings)
        self.mirrored = _Mirrored(layout) if settings.mirror_probability else None
        self.planes = nn.ModuleList(_Plane(layout, block) for block in self.sampler.planes)
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
        """Returns the batch, still on the host, with the draws of its augmentation."""
        if self.settings.is_off:
            return batch
        rows, frames = batch.rows.tolist(), batch.lengths.tolist()
        needed = self._needed_frames(batch)
        draws = self.sampler.draw(rows, frames, needed, seed=seed, epoch=epoch)
        return replace(batch, draws=draws, frames=draws.lengths)

    def _needed_frames(self, batch: Batch) -> list[int]:
        """Returns the fewest frames of each sequence with which CTC can align its labels."""
        targets, lengths = batch.targets, batch.target_lengths
        repeats = (targets[:, 1:] == targets[:, :-1]) & frame_mask(lengths, targets.shape[1])[:, 1:]
        return ((lengths + repeats.sum(dim=1)) * self.output_stride).tolist()

    @torch.no_grad()
    def forward(self, batch: Batch) -> Batch:
        """Returns the augmented batch, with float32 features."""
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
        """Returns [B]: the body's unit of length, or the coordinates' mean train deviation."""
        if self.has_scale:
            return self.body.scale(values, presence)[1]
        return self.mean_deviation.expand(len(values))

    def _move(self, values: Tensor, presence: Tensor, unit: Tensor, draws: Draws) -> None:
        """Rotates, zooms and shears the image about the body's origin, or where the layout names
        none, the image's; then moves single blocks. Writes to `values`."""
        _, origin = self.body.origin(values, presence)
        if origin.shape[1] < 2:
            origin = values.new_zeros(len(values), 2)
        goal = origin + draws.body_shift * unit[:, None]
        shifts = draws.shifts * unit[:, None, None]
        for i, plane in enumerate(self.planes):
            plane(values, draws.image, origin, goal, draws.turns[:, i], shifts[:, i])


class _Plane(nn.Module):
    """Moves x and y of a block's points."""

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
        """Writes to `values` [B, T, D].

        Args:
            image: [B, 2, 2] transform of the image about `centre`.
            centre: [B, 2].
            goal: [B, 2] where `centre` moves.
            turn: [B, 2, 2] rotation of the block about its middle.
            shift: [B, 2] of the block.
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
        """Mirrors the `chosen` [B] sequences, each about x = `middle` [B]."""
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
    """Returns normal noise like [B, T, D], from (frames, seed) of each sequence."""
    noise = torch.zeros_like(like)
    for sequence, (frames, seed) in zip(noise, own, strict=True):
        generator = torch.Generator(like.device).manual_seed(seed)
        sequence[:frames].normal_(generator=generator)
    return noise


def _apply(matrices: Tensor, points: Tensor) -> Tensor:
    """Applies (B, 2, 2) to (B, T, P, 2)."""
    return torch.einsum("bij,btpj->btpi", matrices, points)
