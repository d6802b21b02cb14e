"""Base values -> features: the part of every model that runs first, in float32, on the device.

Landmarks are centred on the body and measured in its unit of length, then come the groups that the
settings name. All is standardised by the train split's mean and deviation, kept in the model's
weights, and a presence channel a block is added. What is missing is 0 after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from torch import Tensor, nn

from slr_accel.corpus.face_mesh import FACE_POINTS, REDUCED
from slr_accel.corpus.layout import Block, Layout
from slr_accel.corpus.mirror import other_side
from slr_accel.features.body import BodyFrame
from slr_accel.features.frames import frame_mask
from slr_accel.features.settings import FeatureSettings

UNKNOWN_RATE = 25.0
"""Frames per second assumed where a corpus does not say."""
SMALLEST_SIZE = 1e-3
"""Of a block, in units of length: smaller ones are tracking failures."""
LARGEST = 10.0
"""Standardised features are clamped to this many deviations: a tracker's spike stays a spike."""


class _Anchor(NamedTuple):
    """The points whose mean a block's `relative` group is measured from."""

    block: str
    points: tuple[str, ...]


class FeatureTransform(nn.Module):
    """[B, T, base values] and presence -> [B, T, num_features].

    Args:
        layout: of the corpus; names the blocks.
        settings: groups and blocks to use.
        frames_per_second: motion is per second; None where the corpus does not say.

    Raises:
        ValueError: the settings name blocks or points that the layout does not have, or leave no
            features.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, layout: Layout, settings: FeatureSettings, frames_per_second: float | None
    ) -> None:
        super().__init__()
        self.layout = layout
        self.settings = settings
        self.frames_per_second = frames_per_second or UNKNOWN_RATE
        known = [block.name for block in layout.blocks]
        unknown = [name for name in settings.blocks if name not in known]
        if unknown:
            raise ValueError(f"blocks names {unknown}; the layout has {known}")
        self.blocks = [b for b in layout.blocks if not settings.blocks or b.name in settings.blocks]
        reduced = settings.face_points == "reduced"
        if reduced and not any(block.points == FACE_POINTS for block in self.blocks):
            raise ValueError(
                "face_points reduced needs a block with the 468 points of MediaPipe's face mesh, "
                "named as in the layout mediapipe_holistic, among the model's blocks: "
                + ", ".join(f"{block.name} ({len(block.points)} points)" for block in self.blocks)
            )
        self.body = BodyFrame(layout)
        self._kept = {block.name: self._kept_points(block) for block in self.blocks}
        self._shapes = {
            (block.name, group): self._group_shape(group, block)
            for block in self.blocks
            for group in settings.groups
        }
        num_columns = sum(points * axes for points, axes in self._shapes.values())
        if not num_columns:
            raise ValueError(
                f"groups {list(settings.groups)} make no features of {layout.signature}"
            )
        anchors = {anchor.block for b in self.blocks if (anchor := self._anchor(b)) is not None}
        self._read = [b for b in layout.blocks if b in self.blocks or b.name in anchors]
        self.num_features = num_columns + len(self.blocks)
        self.register_buffer("mean", torch.zeros(num_columns))
        self.register_buffer("deviation", torch.ones(num_columns))

    @property
    def group_widths(self) -> dict[tuple[str, str], int]:
        """Features of each (block, group), in their order; the presence channels come after all."""
        return {key: points * axes for key, (points, axes) in self._shapes.items()}

    @property
    def block_widths(self) -> list[int]:
        """Features of each of `blocks`, in their order."""
        groups = self.settings.groups
        return [sum(self.group_widths[b.name, group] for group in groups) for b in self.blocks]

    def _kept_points(self, block: Block) -> list[int]:
        patterns = self.settings.exclude_points
        reduced = self.settings.face_points == "reduced" and block.points == FACE_POINTS
        return [
            i
            for i, point in enumerate(block.points)
            if not any(fnmatchcase(f"{block.name}.{point}", pattern) for pattern in patterns)
            and (point in REDUCED or not reduced)
        ]

    def _group_shape(self, group: str, block: Block) -> tuple[int, int]:
        """Points (or pairs of points) and values of each that a group makes of a block."""
        if group in ("relative", "shape", "distances") and self._anchor(block) is None:
            return 0, 1
        if group == "distances":
            corners = len(self._corners(block))
            return corners * (corners - 1) // 2, 1
        return len(self._kept[block.name]), len(self._axes(block))

    def _corners(self, block: Block) -> list[int]:
        """The wrist and the fingertips of a hand, as far as kept; nothing of other blocks."""
        tips = [i for i, point in enumerate(block.points) if point.endswith("_tip")]
        if not tips or "wrist" not in block.points:
            return []
        kept = self._kept[block.name]
        return [i for i in (block.points.index("wrist"), *tips) if i in kept]

    def _axes(self, block: Block) -> tuple[str, ...]:
        if "value" in block.axes:
            return ("value",)
        return tuple(a for a in block.coordinates if self.settings.depth or a != "z")

    def _anchor(self, block: Block) -> _Anchor | None:
        """Hands are seen from the wrist, the face from the nose, the pose from the origin.

        A hand that is a single point is seen from the other hand. Blocks without such a point have
        no relative group.
        """
        own_origin = tuple(
            point
            for name, _, point in (r.partition(".") for r in self.layout.origin)
            if name == block.name
        )
        for points in (own_origin, ("wrist",), ("nose",)):
            if points and set(points) <= set(block.points) and len(block.points) > len(points):
                return _Anchor(block.name, points)
        other = other_side(block.name)
        has_other = other != block.name and any(b.name == other for b in self.layout.blocks)
        if len(block.points) == 1 and has_other:
            return _Anchor(other, block.points)
        return None

    def columns_of_points(self, block: Block, groups: tuple[str, ...]) -> dict[str, list[int]]:
        """Which columns of the output are of which point of a block: {point: columns}.

        Only what `groups` make counts; `distances`, which are of pairs, cannot be one of them.
        Points that the settings leave out are missing. All points have equally many columns, none
        where the settings or the block have none of the groups.
        """
        assert "distances" not in groups
        columns: list[list[int]] = [[] for _ in self._kept[block.name]]
        start = 0
        for each in self.blocks:
            for group in self.settings.groups:
                points, axes = self._group_shape(group, each)
                if each == block and group in groups:
                    for i in range(points):
                        columns[i] += range(start + i * axes, start + (i + 1) * axes)
                start += points * axes
        names = [block.points[i] for i in self._kept[block.name]]
        return dict(zip(names, columns, strict=True))

    def presence_column(self, block: Block) -> int:
        """The column of the output that says whether a block is present."""
        return self.num_features - len(self.blocks) + self.blocks.index(block)

    def forward(self, values: Tensor, presence: Tensor, lengths: Tensor) -> Tensor:
        """Standardised features.

        Args:
            values: [B, T, base values], any dtype.
            presence: [B, T, blocks] bool.
            lengths: [B] int64 frames.

        Returns:
            [B, T, num_features] float32; 0 where missing and beyond a sequence's length.
        """
        # Half precision would not tell a fingertip's motion from rounding.
        with torch.autocast(values.device.type, enabled=False):
            present = self._present(presence, lengths)
            features = torch.empty(*presence.shape[:2], self.num_features, device=values.device)
            for own, valid in self._write_groups(features, values, present):
                made = features[..., own].sub_(self.mean[own]).div_(self.deviation[own])
                made.clamp_(-LARGEST, LARGEST).mul_(valid)
            features[..., len(self.mean) :] = present[..., self._block_indices()]
            return features

    def groups(self, values: Tensor, presence: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features before standardisation, and where they are valid: two [B, T, F] tensors."""
        features = torch.empty(*presence.shape[:2], len(self.mean), device=values.device)
        valid = torch.empty_like(features, dtype=torch.bool)
        for own, of_group in self._write_groups(features, values, self._present(presence, lengths)):
            valid[..., own] = of_group
        return features, valid

    def _write_groups(
        self, features: Tensor, values: Tensor, present: Tensor
    ) -> Iterator[tuple[slice, Tensor]]:
        """Writes every group of every block to its columns of `features` (B, T, F).

        In place, since on a CPU memory takes the time, and new memory most of it. Yields, group by
        group, the columns written and the frames (B, T, 1) where they are valid.
        """
        points = self._normalised_points(values, present)
        end = 0
        for block in self.blocks:
            kept = _picked(points[block.name], self._kept[block.name], dim=2)
            for group in self.settings.groups:
                shape = self._shapes[block.name, group]
                own = slice(end, end := end + shape[0] * shape[1])
                if shape[0]:
                    out = features[..., own].unflatten(-1, shape)
                    yield own, self._write(out, group, block, points, kept, present)[..., None]

    def _write(
        self,
        out: Tensor,
        group: str,
        block: Block,
        points: dict[str, Tensor],
        kept: Tensor,
        present: Tensor,
    ) -> Tensor:
        """Writes one group of a block to `out` (B, T, P, A); returns where it is valid (B, T).

        Args:
            points: (B, T, P, A) of each block.
            kept: those of this block that become features.
            present: (B, T, blocks).
        """
        own = present[..., self.layout.block_index(block.name)]
        if group == "position":
            out.copy_(kept)
            return own
        if group in ("velocity", "acceleration"):
            return self._write_motion(out, group, kept, own)
        anchor = self._anchor(block)
        assert anchor is not None, "else the group has no columns"
        self._write_anchored(out, group, block, anchor, points, kept)
        return own & present[..., self.layout.block_index(anchor.block)]

    def _write_motion(self, out: Tensor, group: str, kept: Tensor, own: Tensor) -> Tensor:
        """Central differences per second; the first and the last frame have none."""
        before, middle, after = kept[:, :-2], kept[:, 1:-1], kept[:, 2:]
        out[:, :1], out[:, -1:] = 0, 0
        inner, valid = out[:, 1:-1], torch.zeros_like(own)
        valid[:, 1:-1] = own[:, :-2] & own[:, 2:]
        if group == "velocity":
            torch.sub(after, before, out=inner).mul_(self.frames_per_second / 2)
            return valid
        torch.sub(after, middle, alpha=2, out=inner).add_(before).mul_(self.frames_per_second**2)
        return valid & own

    def _write_anchored(
        self,
        out: Tensor,
        group: str,
        block: Block,
        anchor: _Anchor,
        points: dict[str, Tensor],
        kept: Tensor,
    ) -> None:
        of_anchor = self.layout.block(anchor.block)
        indices = [of_anchor.points.index(point) for point in anchor.points]
        centre = points[anchor.block][:, :, indices].mean(dim=2, keepdim=True)
        if group == "relative":
            _subtract(out.copy_(kept), centre)
            return
        # Root of the mean squared distance of all points from the anchor.
        distance = (points[block.name] - centre).square().sum(dim=-1).mean(dim=-1).sqrt()
        size = distance[..., None, None].clamp(min=SMALLEST_SIZE)
        if group == "shape":
            _subtract(out.copy_(kept), centre)
            out /= size
            return
        corners = self._corners(block)
        first, second = torch.triu_indices(len(corners), len(corners), 1)
        corner_points = (points[block.name][:, :, corners] - centre) / size
        difference = corner_points[:, :, first] - corner_points[:, :, second]
        torch.norm(difference, dim=-1, keepdim=True, out=out)

    def _normalised_points(self, values: Tensor, present: Tensor) -> dict[str, Tensor]:
        """(B, T, P, A) of each block that is read, centred on the body, in its unit of length."""
        origin, _ = self.body.origin(values, present)
        scale = self.body.scale(values, present)[0][..., None, None]
        points = {}
        for block in self._read:
            axes = self._axes(block)
            shape = (len(block.points), len(block.axes))
            own = values[..., self.layout.slices[block.name]].unflatten(-1, shape)
            own = _picked(own, [block.axes.index(axis) for axis in axes], dim=3)
            own = own.to(torch.float32, copy=True)
            if block.coordinates:
                # z has an origin of its own in every block (MediaPipe): only x and y are centred.
                for axis, centre in zip(self.body.axes, origin.unbind(dim=-1), strict=True):
                    if axis in axes:
                        own[..., axes.index(axis)] -= centre[..., None]
                own /= scale
            points[block.name] = own
        return points

    def _present(self, presence: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, blocks] bool, False beyond a sequence's length."""
        return presence.bool() & frame_mask(lengths, presence.shape[1])[..., None]

    def _block_indices(self) -> list[int]:
        return [self.layout.block_index(block.name) for block in self.blocks]


def _picked(values: Tensor, indices: list[int], dim: int) -> Tensor:
    """values[..., indices, ...], rising, of a dimension; no copy where that is all of it."""
    if len(indices) == values.shape[dim]:
        return values
    return values.index_select(dim, torch.tensor(indices, dtype=torch.long, device=values.device))


def _subtract(points: Tensor, centre: Tensor) -> None:
    """(B, T, P, A) -= (B, T, 1, A), an axis at a time: rows of three are slow to walk."""
    for axis in range(points.shape[-1]):
        points[..., axis] -= centre[..., axis]
