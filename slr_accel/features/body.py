"""Where the body is and how large: what positions are measured from and in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.features.buffer_index import Pick
from slr_accel.layouts.layout import Layout

SMALLEST_SHARE = 0.3
"""A frame's unit of length is at least this share of the sequence's mean: a turned or badly seen
body does not blow up everything else."""


class BodyFrame(nn.Module):
    """Finds the origin and the unit of length, from the layout's named points.

    Both are of each frame, so that a sequence may be joined from recordings of several people; a
    frame in which their blocks are absent takes the mean over the sequence.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.axes = layout.origin_axes
        self._origin = _Points(layout, layout.origin, self.axes)
        self._scale = _Points(layout, layout.scale, ("x", "y")) if layout.scale else None

    def origin(self, values: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """([B, T, A] of each frame, [B, A] the sequence's mean); the axes A are `self.axes`.

        0 where the origin was never seen in a sequence.
        """
        points, present = self._origin(values, presence)
        return _filled(points.mean(dim=2), present)

    def scale(self, values: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """([B, T] distance of the two scale points, [B] the sequence's mean); never 0.

        1 where the layout has none or they were never seen.
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
    """Picks points BLOCK.POINT out of base values."""

    def __init__(self, layout: Layout, references: tuple[str, ...], axes: tuple[str, ...]) -> None:
        super().__init__()
        self.shape = (len(references), len(axes))
        columns = [c for reference in references for c in layout.point_columns(reference, axes)]
        blocks = sorted({layout.block_index(r.partition(".")[0]) for r in references})
        self.columns = Pick(columns, layout.columns)
        self.blocks = Pick(blocks, len(layout.blocks))

    def forward(self, values: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """([B, T, points, axes], [B, T] bool: all of them seen)."""
        points = self.columns(values).float().unflatten(-1, self.shape)
        return points, self.blocks(presence).all(dim=-1)


def _filled(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """[B, T, A] values with the mean in absent frames, and the mean [B, A] over present ones."""
    shown = present[..., None]
    mean = (values * shown).sum(dim=1) / shown.sum(dim=1).clamp(min=1)
    return torch.where(shown, values, mean[:, None]), mean
