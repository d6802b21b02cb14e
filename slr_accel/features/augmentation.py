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
from slr_accel.corpus.mirror import Mirror, mirror_of
from slr_accel.features.body import BodyFrame
from slr_accel.features.frames import frame_mask
from slr_accel.features.resampling import drop_places, random_places, resample
from slr_accel.features.settings import AugmentationSettings
from slr_accel.loading.loader import Batch


class Augmentation(nn.Module):
    """Batch -> batch, with other values, presence and lengths.

    Args:
        layout: of the corpus.
        settings: what is done and how strongly.
        output_stride: of the model: no sequence becomes shorter than its labels need.
        column_deviation: [base values] of the train split.

    Raises:
        ValueError: a setting cannot be used with the layout.
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
        problems = settings.problems_with(layout)
        if problems:
            raise ValueError("; ".join(problems))
        self.layout = layout
        self.settings = settings
        self.output_stride = output_stride
        self.body = BodyFrame(layout)
        self.register_buffer("column_deviation", column_deviation)
        origin = {reference.partition(".")[0] for reference in layout.origin}
        self._is_origin = np.array([block.name in origin for block in layout.blocks])
        self._mirror = mirror_of(layout) if settings.mirror_probability else None
        self._planes = {
            block.name: _columns(layout, block.name, ("x", "y"))
            for block in layout.blocks
            if {"x", "y"} <= set(block.axes)
        }
        self._coordinates = [
            column
            for block in layout.blocks
            if block.coordinates
            for point in _columns(layout, block.name, block.coordinates)
            for column in point
        ]

    @torch.no_grad()
    def forward(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """The batch as epoch `epoch` sees it; features become float32."""
        if self.settings.is_off:
            return replace(batch, features=batch.features.float())
        rows = batch.rows.tolist()
        randoms = [np.random.default_rng([seed, epoch, row]) for row in rows]
        values, presence, lengths = self._at_other_speed(batch, randoms)
        if self._mirror is not None:
            values, presence = self._mirrored(self._mirror, values, presence, lengths, randoms)
        visible = presence & frame_mask(lengths, presence.shape[1])[..., None]
        unit = self._unit_of_length(values, visible)
        if self._planes:
            values = self._moved(values, visible, unit, randoms)
        values = self._jittered(values, lengths, unit, randoms)
        presence = self._hidden(presence, lengths.tolist(), randoms)
        return replace(batch, features=values, presence=presence, lengths=lengths)

    def _at_other_speed(
        self, batch: Batch, randoms: list[np.random.Generator]
    ) -> tuple[Tensor, Tensor, Tensor]:
        s = self.settings
        places = []
        for frames, needed, random in zip(
            batch.lengths.tolist(), self._needed_frames(batch), randoms, strict=True
        ):
            # The last output step may be short: as it is, a sequence always suffices. Longer than
            # the stretch makes it, it would burst the frame budget of its micro-batch.
            least = min(needed, frames)
            own = random_places(frames, least, random, stretch=s.time_stretch, warp=s.time_warp)
            # Options that are off by default draw only where they are on: the others' draws stay.
            if s.frame_dropping:
                own = drop_places(own, least, random, s.frame_dropping)
            places.append(own)
        return resample(batch.features.float(), batch.presence, batch.lengths, places)

    def _needed_frames(self, batch: Batch) -> list[int]:
        """Frames below which CTC could not align the labels of each sequence."""
        targets, lengths = batch.targets, batch.target_lengths
        repeats = (targets[:, 1:] == targets[:, :-1]) & frame_mask(lengths, targets.shape[1])[:, 1:]
        return ((lengths + repeats.sum(dim=1)) * self.output_stride).tolist()

    def _mirrored(
        self,
        mirror: Mirror,
        values: Tensor,
        presence: Tensor,
        lengths: Tensor,
        randoms: list[np.random.Generator],
    ) -> tuple[Tensor, Tensor]:
        """Mirrors some sequences about the middle of the body."""
        probability = self.settings.mirror_probability
        chosen = [i for i, random in enumerate(randoms) if random.random() < probability]
        visible = presence & frame_mask(lengths, presence.shape[1])[..., None]
        middle = self.body.origin(values, visible)[1][chosen, self.body.axes.index("x")]
        changed = values[chosen][..., mirror.columns]
        changed[..., mirror.x_columns] = 2 * middle[:, None, None] - changed[..., mirror.x_columns]
        mirrored_presence = presence[chosen][..., mirror.blocks]
        values, presence = values.clone(), presence.clone()
        values[chosen], presence[chosen] = changed, mirrored_presence
        return values, presence

    def _unit_of_length(self, values: Tensor, visible: Tensor) -> Tensor:
        """[B] the body's length, or the mean train deviation of the coordinates."""
        if self.layout.scale or not self._coordinates:
            return self.body.scale(values, visible)[1]
        return self.column_deviation[self._coordinates].mean().expand(len(values))

    def _moved(
        self,
        values: Tensor,
        visible: Tensor,
        unit: Tensor,
        randoms: list[np.random.Generator],
    ) -> Tensor:
        """Turns, zooms and shears the image about the body's origin (where the layout names none,
        about the image's), then moves single blocks."""
        image = _stack([self._random_image(random) for random in randoms], values)
        _, origin = self.body.origin(values, visible)
        if origin.shape[1] < 2:
            origin = values.new_zeros(len(values), 2)
        centre = origin[:, None, None, :]
        values = values.clone()
        goal = centre
        if self.settings.body_shift:
            drawn = [random.normal(0, self.settings.body_shift, 2) for random in randoms]
            goal = centre + (_stack(drawn, values) * unit[:, None])[:, None, None, :]
        for name, columns in self._planes.items():
            points = values[..., columns]  # (B, T, P, 2)
            points = _apply(image, points - centre) + goal
            turn, shift = self._random_block(name, randoms, values)
            middle = points.mean(dim=2, keepdim=True)
            shift = shift * unit[:, None, None, None]
            values[..., columns] = _apply(turn, points - middle) + middle + shift
        return values

    def _random_image(self, random: np.random.Generator) -> np.ndarray:
        """(2, 2) rotation x shear x zoom."""
        s = self.settings
        shear = np.array([[1, random.normal(0, s.shear)], [0, 1]])
        zoom = np.diag(np.exp(random.normal(0, s.zoom, 2)))
        if s.body_scale:
            zoom *= np.exp(random.normal(0, s.body_scale))
        return _rotation(random.normal(0, s.rotation)) @ shear @ zoom

    def _random_block(
        self, name: str, randoms: list[np.random.Generator], like: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rotations (B, 2, 2) and shifts (B, 1, 1, 2) of a block; none for the origin's."""
        s = self.settings
        drawn = [(r.normal(0, s.block_rotation), r.normal(0, s.block_shift, 2)) for r in randoms]
        weight = 0.0 if self._is_origin[self.layout.block_index(name)] else 1.0
        turn = _stack([_rotation(weight * angle) for angle, _ in drawn], like)
        shift = _stack([weight * shift for _, shift in drawn], like)
        return turn, shift[:, None, None, :]

    def _jittered(
        self, values: Tensor, lengths: Tensor, unit: Tensor, randoms: list[np.random.Generator]
    ) -> Tensor:
        # Drawn without jitter too: what is drawn later stays the same.
        seeds = [int(random.integers(2**62)) for random in randoms]
        if not self.settings.jitter:
            return values
        noise = torch.zeros_like(values)
        for own, frames, seed in zip(noise, lengths.tolist(), seeds, strict=True):
            generator = torch.Generator(values.device).manual_seed(seed)
            own[:frames].normal_(generator=generator)
        return values + noise * self.settings.jitter * self._unit_of_columns(unit)

    def _unit_of_columns(self, unit: Tensor) -> Tensor:
        """[B, 1, D]: the unit of length on coordinates, the train deviation on other columns."""
        units = self.column_deviation.repeat(len(unit), 1)
        units[:, self._coordinates] = unit[:, None]
        return units[:, None]

    def _hidden(
        self, presence: Tensor, lengths: list[int], randoms: list[np.random.Generator]
    ) -> Tensor:
        """Makes spans of frames absent, and blocks."""
        s = self.settings
        shown = np.ones(tuple(presence.shape), bool)
        for own, frames, random in zip(shown, lengths, randoms, strict=True):
            for _ in range(s.time_masks):
                own[_span(random, round(s.time_mask_share * frames), frames)] = False
            dropped = (random.random(own.shape[1]) < s.block_dropout) & ~self._is_origin
            if dropped.all():
                dropped[random.integers(len(dropped))] = False
            for block in np.flatnonzero(dropped):
                whole = random.random() < 0.5
                span = slice(0, frames) if whole else _span(random, frames // 2, frames)
                own[span, block] = False
        return presence & torch.from_numpy(shown).to(presence.device)


def _columns(layout: Layout, block: str, axes: tuple[str, ...]) -> list[list[int]]:
    return [layout.point_columns(f"{block}.{p}", axes) for p in layout.block(block).points]


def _span(random: np.random.Generator, longest: int, frames: int) -> slice:
    length = int(random.integers(0, longest + 1))
    start = int(random.integers(0, frames - length + 1))
    return slice(start, start + length)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _stack(arrays: list[np.ndarray], like: Tensor) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).to(like)


def _apply(matrices: Tensor, points: Tensor) -> Tensor:
    """(B, 2, 2) on (B, T, P, 2)."""
    return torch.einsum("bij,btpj->btpi", matrices, points)
