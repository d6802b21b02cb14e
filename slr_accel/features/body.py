"""Where the body is and how large: what positions are measured from and in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.corpus.layout import Layout

SMALLEST_SCALE = 1e-6


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """[B, T] bool: True on a sequence's own frames."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


class BodyFrame(nn.Module):
    """Finds the origin and the unit of length of each sequence, from the layout's named points.

    Both are means over the frames in which their blocks are present: one pair a sequence, so that
    neither a noisy frame nor a movement of the origin distorts the motion of the rest.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.axes = tuple(
            axis
            for axis in ("x", "y")
            if layout.origin
            and all(axis in layout.block(r.partition(".")[0]).axes for r in layout.origin)
        )
        self._origin = _Points(layout, layout.origin, self.axes)
        self._scale = _Points(layout, layout.scale, ("x", "y")) if layout.scale else None

    def origin(self, values: Tensor, presence: Tensor) -> Tensor:
        """[B, A] mean position of the origin points; the axes are `self.axes`.

        0 where the origin was never seen in a sequence.
        """
        points, present = self._origin(values, presence)
        return _mean_over_frames(points.mean(dim=2), present)

    def scale(self, values: Tensor, presence: Tensor) -> Tensor:
        """[B] distance of the two scale points; 1 where there are none or they were never seen."""
        if self._scale is None:
            return values.new_ones(len(values))
        points, present = self._scale(values, presence)
        distance = (points[:, :, 0] - points[:, :, 1]).norm(dim=-1)
        mean = _mean_over_frames(distance[..., None], present)[:, 0]
        return torch.where(mean > SMALLEST_SCALE, mean, torch.ones_like(mean))


class _Points(nn.Module):
    """Picks points BLOCK.POINT out of base values."""

    columns: Tensor

    def __init__(self, layout: Layout, references: tuple[str, ...], axes: tuple[str, ...]) -> None:
        super().__init__()
        columns = [layout.point_columns(reference, axes) for reference in references]
        self.shape = (len(references), len(axes))
        self.register_buffer(
            "columns", torch.tensor(columns, dtype=torch.long).reshape(-1), persistent=False
        )
        self.blocks = sorted({layout.block_index(r.partition(".")[0]) for r in references})

    def forward(self, values: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """([B, T, points, axes], [B, T] bool: all of them seen)."""
        points = values[..., self.columns].unflatten(-1, self.shape)
        return points, presence[..., self.blocks].all(dim=-1)


def _mean_over_frames(values: Tensor, present: Tensor) -> Tensor:
    """[B, T, A], [B, T] -> [B, A]; 0 for a sequence without a present frame."""
    weights = present[..., None].to(values.dtype)
    return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
