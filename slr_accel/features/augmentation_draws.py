"""What chance does to the sequences of a batch: drawn while the step before is computed.

What happens to a sequence depends on (seed, epoch, row) alone: not on its batch, the process, or
what was trained before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from slr_accel.features.resampling import drop_places, random_places
from slr_accel.layouts.layout import Layout
from slr_accel.loading.batch import Draws
from slr_accel.settings.features import AugmentationSettings


class _Changes(NamedTuple):
    """Draws of one sequence."""

    places: np.ndarray
    mirrored: bool
    image: np.ndarray
    body_shift: np.ndarray
    turns: list[np.ndarray]
    shifts: list[np.ndarray]
    seed: int
    shown: np.ndarray


class Chance:
    """Draws what the settings allow in sequences of a layout."""

    def __init__(self, layout: Layout, settings: AugmentationSettings) -> None:
        self.settings = settings
        self._is_origin = _holds(layout.origin, layout)
        # Without them the rest would be measured from nowhere, or in other units.
        self._is_needed = self._is_origin | _holds(layout.scale, layout)
        self.planes = [i for i, block in enumerate(layout.blocks) if block.is_planar]
        """Blocks with x and y."""

    def draw(
        self,
        rows: Sequence[int],
        frames: Sequence[int],
        needed: Sequence[int],
        *,
        seed: int,
        epoch: int,
    ) -> Draws:
        """What epoch `epoch` does to the rows.

        Args:
            frames: of each row.
            needed: frames below which CTC could not align its labels.
        """
        drawn = [
            # The last output step may be short: as it is, a sequence always suffices. Longer than
            # the stretch makes it, it would burst the frame budget of its micro-batch.
            self._changes(np.random.default_rng([seed, epoch, row]), own, min(least, own))
            for row, own, least in zip(rows, frames, needed, strict=True)
        ]
        lengths = [len(changes.places) for changes in drawn]
        return Draws(
            places=_padded([changes.places.astype(np.float32) for changes in drawn]),
            lengths=torch.tensor(lengths),
            mirrored=torch.tensor([changes.mirrored for changes in drawn]),
            image=_stacked([changes.image for changes in drawn]),
            body_shift=_stacked([changes.body_shift for changes in drawn]),
            turns=_stacked([changes.turns for changes in drawn], (len(self.planes), 2, 2)),
            shifts=_stacked([changes.shifts for changes in drawn], (len(self.planes), 2)),
            shown=_padded([changes.shown for changes in drawn]),
            noise=tuple((length, own.seed) for length, own in zip(lengths, drawn, strict=True)),
        )

    def _changes(self, random: np.random.Generator, frames: int, least: int) -> _Changes:
        # Options that are off by default draw only where they are on: the others' draws stay.
        s = self.settings
        places = random_places(frames, least, random, stretch=s.time_stretch, warp=s.time_warp)
        if s.frame_dropping:
            places = drop_places(places, least, random, s.frame_dropping)
        mirrored = bool(s.mirror_probability) and random.random() < s.mirror_probability
        image, shift, turns, shifts = np.eye(2), np.zeros(2), [], []
        if self.planes:
            image = self._image(random)
            if s.body_shift:
                shift = random.normal(0, s.body_shift, 2)
            blocks = [self._block(random, is_origin=self._is_origin[i]) for i in self.planes]
            turns, shifts = [turn for turn, _ in blocks], [shift for _, shift in blocks]
        # Drawn without jitter too: what is drawn later stays the same.
        seed = int(random.integers(2**62))
        shown = self._shown(random, len(places))
        return _Changes(places, mirrored, image, shift, turns, shifts, seed, shown)

    def _image(self, random: np.random.Generator) -> np.ndarray:
        """(2, 2) rotation x shear x zoom."""
        s = self.settings
        shear = np.array([[1, random.normal(0, s.shear)], [0, 1]])
        zoom = np.diag(np.exp(random.normal(0, s.zoom, 2)))
        if s.body_scale:
            zoom *= np.exp(random.normal(0, s.body_scale))
        return _rotation(random.normal(0, s.rotation)) @ shear @ zoom

    def _block(
        self, random: np.random.Generator, *, is_origin: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rotation (2, 2) and shift (2) of a block; none of the origin's."""
        s = self.settings
        weight = 0.0 if is_origin else 1.0
        angle, shift = random.normal(0, s.block_rotation), random.normal(0, s.block_shift, 2)
        return _rotation(weight * angle), weight * shift

    def _shown(self, random: np.random.Generator, frames: int) -> np.ndarray:
        """(frames, blocks) without some spans of frames, and without some blocks."""
        s = self.settings
        shown = np.ones((frames, len(self._is_needed)), bool)
        for _ in range(s.time_masks):
            shown[_span(random, round(s.time_mask_share * frames), frames)] = False
        dropped = (random.random(shown.shape[1]) < s.block_dropout) & ~self._is_needed
        if dropped.all():
            dropped[random.integers(len(dropped))] = False
        for block in np.flatnonzero(dropped):
            whole = random.random() < 0.5
            span = slice(0, frames) if whole else _span(random, frames // 2, frames)
            shown[span, block] = False
        return shown


def _holds(points: tuple[str, ...], layout: Layout) -> np.ndarray:
    """[blocks] bool: which have one of the points, as BLOCK.POINT."""
    names = {reference.partition(".")[0] for reference in points}
    return np.array([block.name in names for block in layout.blocks])


def _span(random: np.random.Generator, longest: int, frames: int) -> slice:
    length = int(random.integers(0, longest + 1))
    start = int(random.integers(0, frames - length + 1))
    return slice(start, start + length)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _padded(arrays: list[np.ndarray]) -> Tensor:
    """B arrays (T', ...) as one [B, T', ...], with zeros behind the short ones."""
    longest = max(len(array) for array in arrays)
    padded = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    for own, array in zip(padded, arrays, strict=True):
        own[: len(array)] = array
    return torch.from_numpy(padded)


def _stacked(
    drawn: Sequence[np.ndarray | list[np.ndarray]], shape: tuple[int, ...] | None = None
) -> Tensor:
    """[B, *shape] float32."""
    array = np.array(drawn, np.float32)
    return torch.from_numpy(array if shape is None else array.reshape(len(drawn), *shape))
