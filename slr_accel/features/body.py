"""Finds the body's origin and unit of length, from which and in which positions are measured."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.features.index_select import IndexSelect
from slr_accel.layouts.layout import Layout

SMALLEST_SHARE = 0.3
"""A frame's unit of length is at least this share of the sequence's mean, so that a turned or badly
detected body does not enlarge everything else."""


class BodyFrame(nn.Module):
    """Finds origin and unit of length from the points that the layout names.

    Each frame has its own, so that a sequence may be joined from recordings of several people. A
    frame in which the points' blocks are absent takes the mean over the sequence.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.axes = layout.origin_axes
        self._origin = _Points(layout, layout.origin, self.axes)
        self._scale = _Points(layout, layout.scale, ("x", "y")) if layout.scale else None

    def origin(self, values: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the origin of each frame [B, T, A], and the sequence's mean [B, A].

        The axes A are `self.axes`. The origin is 0 in a sequence that never shows it.
        """
        points, present = self._origin(values, presence)
        return _filled(points.mean(dim=2), present)

    def scale(self, values: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the distance of the scale points in each frame [B, T], and the mean [B].

        It is 1 where the layout names none or a sequence never shows them, and never 0.
        """
        if self._scale is None:
            ones = torch.ones(values.shape[:2], device=values.device)
            return ones, ones[:, 0]
        points, present = self._scale(values, presence)
        distance = (points[:, :, 0] - points[:, :, 1]).norm(dim=-1, keepdim=True)
        frames, mean = _filled(distance, present)
        mean = torch.where(mean > 0, mean, torch.ones_like(mean))
        return frames.maximum(SMALLEST_SHARE * mean[:, None])[..., 0], mean[:, 0]


class _Points(nn.Module):
    """Selects points BLOCK.POINT of the base values."""

    def __init__(self, layout: Layout, references: tuple[str, ...], axes: tuple[str, ...]) -> None:
        super().__init__()
        self.shape = (len(references), len(axes))
        columns = [c for reference in references for c in layout.point_columns(reference, axes)]
        blocks = sorted({layout.block_index(r.partition(".")[0]) for r in references})
        self.columns = IndexSelect(columns, layout.columns)
        self.blocks = IndexSelect(blocks, len(layout.blocks))

    def forward(self, values: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Returns [B, T, points, axes], and [B, T] bool: whether all of them are present."""
        points = self.columns(values).float().unflatten(-1, self.shape)
        return points, self.blocks(presence).all(dim=-1)


def _filled(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Fills absent frames of [B, T, A] with the mean [B, A] of the others; returns both."""
    shown = present[..., None]
    mean = (values * shown).sum(dim=1) / shown.sum(dim=1).clamp(min=1)
    return torch.where(shown, values, mean[:, None]), mean
