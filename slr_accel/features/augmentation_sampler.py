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
    normals: np.ndarray
    """Standard normal, for the image and the blocks."""
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
        of_image = 4 + bool(settings.body_scale) + 2 * bool(settings.body_shift)
        self._num_normals = of_image + 3 * len(self.planes) if self.planes else 0

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
        image, body_shift, turns, shifts = self._moves(np.array([own.normals for own in drawn]))
        return Draws(
            places=padded([changes.places.astype(np.float32) for changes in drawn]),
            lengths=torch.tensor(lengths),
            mirrored=torch.tensor([changes.mirrored for changes in drawn]),
            image=_float32(image),
            body_shift=_float32(body_shift),
            turns=_float32(turns),
            shifts=_float32(shifts),
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
        normals = random.standard_normal(self._num_normals)
        # Drawn without jitter too: later draws stay the same.
        seed = int(random.integers(2**62))
        shown = self._shown(random, len(places))
        return _Changes(places, mirrored, normals, seed, shown)

    def _moves(self, normals: np.ndarray) -> tuple[np.ndarray, ...]:
        """Makes rotation x shear x zoom of the image [B, 2, 2] and shift of the body [B, 2], then
        rotation [B, P, 2, 2] and shift [B, P, 2] of each block, of which the origin's stays.

        All sequences at once: one by one, this took as long as reading them.
        """
        s, count = self.settings, len(normals)
        image, body_shift = np.tile(np.eye(2), (count, 1, 1)), np.zeros((count, 2))
        if not self.planes:
            return image, body_shift, np.empty((count, 0, 2, 2)), np.empty((count, 0, 2))
        own, of_blocks = np.split(normals, [-3 * len(self.planes)], axis=1)
        shear, zoom, others = own[:, 0], np.exp(s.zoom * own[:, 1:3]), own[:, 3:]
        if s.body_scale:
            zoom *= np.exp(s.body_scale * others[:, :1])
            others = others[:, 1:]
        image[:, 0, 1] = s.shear * shear
        image = _rotations(s.rotation * others[:, 0]) @ image @ (zoom[:, None] * np.eye(2))
        if s.body_shift:
            body_shift = s.body_shift * others[:, 1:]
        blocks = of_blocks.reshape(count, -1, 3) * ~self._is_origin[self.planes, None]
        return (
            *(image, body_shift),
            *(_rotations(s.block_rotation * blocks[..., 0]), s.block_shift * blocks[..., 1:]),
        )

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


def _rotations(angles: np.ndarray) -> np.ndarray:
    """Returns (..., 2, 2)."""
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def _float32(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
