"""Samples the augmentation of a batch, in the reader thread.

The augmentation of a sequence depends on (seed, epoch, row) alone: not on its batch, the process,
or earlier training.
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
from slr_accel.loading.loader import padded
from slr_accel.settings.features import AugmentationSettings


class _Changes(NamedTuple):
    """The draws of one sequence; see Draws."""

    places: np.ndarray
    mirrored: bool
    image: np.ndarray
    body_shift: np.ndarray
    turns: np.ndarray
    shifts: np.ndarray
    seed: int
    shown: np.ndarray


class AugmentationSampler:
    """Samples what the settings allow for sequences of a layout."""

    def __init__(self, layout: Layout, settings: AugmentationSettings) -> None:
        self.settings = settings
        self._is_origin = _holds(layout.origin, layout)
        # These blocks stay: the others are measured from them and in their unit of length.
        self._is_needed = self._is_origin | _holds(layout.scale, layout)
        self.planes = [i for i, block in enumerate(layout.blocks) if block.is_planar]
        """The blocks with x and y."""

    def draw(
        self,
        rows: Sequence[int],
        frames: Sequence[int],
        needed: Sequence[int],
        *,
        seed: int,
        epoch: int,
    ) -> Draws:
        """Samples the augmentation of the rows in an epoch.

        Args:
            frames: frames of each row.
            needed: fewest frames of each row with which CTC can align its labels.
        """
        drawn = [
            # The last output step may be short, so a sequence has enough frames as it is, and must
            # not exceed what the stretch allows: the micro-batch's frame budget counts with that.
            self._changes(np.random.default_rng([seed, epoch, row]), own, min(least, own))
            for row, own, least in zip(rows, frames, needed, strict=True)
        ]
        lengths = [len(changes.places) for changes in drawn]
        return Draws(
            places=padded([changes.places.astype(np.float32) for changes in drawn]),
            lengths=torch.tensor(lengths),
            mirrored=torch.tensor([changes.mirrored for changes in drawn]),
            image=_stacked([changes.image for changes in drawn]),
            body_shift=_stacked([changes.body_shift for changes in drawn]),
            turns=_stacked([changes.turns for changes in drawn]),
            shifts=_stacked([changes.shifts for changes in drawn]),
            shown=padded([changes.shown for changes in drawn]),
            noise=tuple((length, own.seed) for length, own in zip(lengths, drawn, strict=True)),
        )

    def _changes(self, random: np.random.Generator, frames: int, least: int) -> _Changes:
        # A setting that is off by default draws only where it is on: other draws stay the same.
        s = self.settings
        places = random_places(frames, least, random, stretch=s.time_stretch, warp=s.time_warp)
        if s.frame_dropping:
            places = drop_places(places, least, random, s.frame_dropping)
        mirrored = bool(s.mirror_probability) and random.random() < s.mirror_probability
        image, shift = np.eye(2), np.zeros(2)
        turns, shifts = np.empty((0, 2, 2)), np.empty((0, 2))
        if self.planes:
            image = self._image(random)
            if s.body_shift:
                shift = random.normal(0, s.body_shift, 2)
            blocks = [self._block(random, is_origin=self._is_origin[i]) for i in self.planes]
            turns, shifts = map(np.array, zip(*blocks, strict=True))
        # Drawn without jitter too: later draws stay the same.
        seed = int(random.integers(2**62))
        shown = self._shown(random, len(places))
        return _Changes(places, mirrored, image, shift, turns, shifts, seed, shown)

    def _image(self, random: np.random.Generator) -> np.ndarray:
        """Samples (2, 2): rotation x shear x zoom."""
        s = self.settings
        shear = np.array([[1, random.normal(0, s.shear)], [0, 1]])
        zoom = np.diag(np.exp(random.normal(0, s.zoom, 2)))
        if s.body_scale:
            zoom *= np.exp(random.normal(0, s.body_scale))
        return _rotation(random.normal(0, s.rotation)) @ shear @ zoom

    def _block(
        self, random: np.random.Generator, *, is_origin: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Samples rotation (2, 2) and shift (2) of a block; the origin's stays in place."""
        s = self.settings
        weight = 0.0 if is_origin else 1.0
        angle, shift = random.normal(0, s.block_rotation), random.normal(0, s.block_shift, 2)
        return _rotation(weight * angle), weight * shift

    def _shown(self, random: np.random.Generator, frames: int) -> np.ndarray:
        """Samples (frames, blocks) bool: some spans of frames and some blocks are hidden."""
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
    """Returns [blocks] bool: whether a block has one of the points BLOCK.POINT."""
    names = {reference.partition(".")[0] for reference in points}
    return np.array([block.name in names for block in layout.blocks])


def _span(random: np.random.Generator, longest: int, frames: int) -> slice:
    length = int(random.integers(0, longest + 1))
    start = int(random.integers(0, frames - length + 1))
    return slice(start, start + length)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _stacked(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.array(arrays, np.float32))
