"""Base values -> features: the part of every model that runs first, in float32, on the device.

Landmarks are centred on the body and measured in its unit of length, then come the groups that the
settings name. All is standardised by the train split's mean and deviation, kept in the model's
weights, and a presence channel a block is added. What is missing is 0 after that.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from torch import Tensor, nn

from slr_accel.corpus.layout import Block, Layout
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
        ValueError: the settings name a block that the layout does not have, or leave no features.
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
        self.body = BodyFrame(layout)
        self._kept = {block.name: self._kept_points(block) for block in self.blocks}
        self.widths = [self._block_width(block) for block in self.blocks]
        if not sum(self.widths):
            raise ValueError(
                f"groups {list(settings.groups)} make no features of {layout.signature}"
            )
        self.num_features = sum(self.widths) + len(self.blocks)
        self.register_buffer("mean", torch.zeros(sum(self.widths)))
        self.register_buffer("deviation", torch.ones(sum(self.widths)))

    def _kept_points(self, block: Block) -> list[int]:
        patterns = self.settings.exclude_points
        return [
            i
            for i, point in enumerate(block.points)
            if not any(fnmatchcase(f"{block.name}.{point}", pattern) for pattern in patterns)
        ]

    def _block_width(self, block: Block) -> int:
        points, axes = len(self._kept[block.name]), len(self._axes(block))
        corners = len(self._corners(block))
        widths = {"relative": points * axes, "shape": points * axes}
        widths["distances"] = corners * (corners - 1) // 2
        if self._anchor(block) is None:
            widths = dict.fromkeys(widths, 0)
        return sum(widths.get(group, points * axes) for group in self.settings.groups)

    def _corners(self, block: Block) -> list[int]:
        """The wrist and the fingertips of a hand; nothing of other blocks."""
        tips = [i for i, point in enumerate(block.points) if point.endswith("_tip")]
        return [block.points.index("wrist"), *tips] if tips and "wrist" in block.points else []

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
        other = _other_side(block.name)
        has_other = other != block.name and any(b.name == other for b in self.layout.blocks)
        if len(block.points) == 1 and has_other:
            return _Anchor(other, block.points)
        return None

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
            features, valid = self.groups(values, presence, lengths)
            features = ((features - self.mean) / self.deviation).clamp(-LARGEST, LARGEST)
            channels = self._present(presence, lengths)[..., self._block_indices()]
            return torch.cat([features * valid, channels.to(features.dtype)], dim=-1)

    def groups(self, values: Tensor, presence: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features before standardisation, and where they are valid: two [B, T, F] tensors."""
        present = self._present(presence, lengths)
        values = values.float()
        points = self._normalised_points(values, present)
        features, valid = [], []
        for block in self.blocks:
            own = present[..., self.layout.block_index(block.name)]
            for group in self.settings.groups:
                made = self._group(group, block, points, own, present)
                if made is None:
                    continue
                # (B, T, P, A) -> (B, T, P * A)
                features.append(made[0].flatten(2))
                valid.append(made[1][..., None].expand_as(features[-1]))
        return torch.cat(features, dim=-1), torch.cat(valid, dim=-1)

    def _group(
        self, group: str, block: Block, points: dict[str, Tensor], own: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """One group of one block, (B, T, P, A), and the frames (B, T) in which it is valid."""
        kept = self._kept[block.name]
        values = points[block.name]
        if group == "position":
            return values[:, :, kept], own
        if group in ("relative", "shape", "distances"):
            return self._anchored_group(group, block, points, own, present)
        values = values[:, :, kept]
        before, after = _shifted(values, 1), _shifted(values, -1)
        around = _shifted(own, 1) & _shifted(own, -1)
        if group == "velocity":
            return (after - before) * (self.frames_per_second / 2), around
        acceleration = (after - 2 * values + before) * self.frames_per_second**2
        return acceleration, around & own

    def _anchored_group(
        self, group: str, block: Block, points: dict[str, Tensor], own: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        anchor = self._anchor(block)
        if anchor is None:
            return None
        of_anchor = self.layout.block(anchor.block)
        indices = [of_anchor.points.index(point) for point in anchor.points]
        centre = points[anchor.block][:, :, indices].mean(dim=2, keepdim=True)
        valid = own & present[..., self.layout.block_index(anchor.block)]
        relative = points[block.name] - centre
        if group != "relative":
            # Root of the mean squared distance from the anchor.
            size = relative.square().sum(dim=-1).mean(dim=-1).sqrt()[..., None, None]
            relative = relative / size.clamp(min=SMALLEST_SIZE)
        if group != "distances":
            return relative[:, :, self._kept[block.name]], valid
        corners = self._corners(block)
        first, second = torch.triu_indices(len(corners), len(corners), 1)
        corner_points = relative[:, :, corners]
        difference = corner_points[:, :, first] - corner_points[:, :, second]
        return difference.norm(dim=-1, keepdim=True), valid

    def _normalised_points(self, values: Tensor, present: Tensor) -> dict[str, Tensor]:
        """(B, T, P, A) a block, centred on the body and in its unit of length."""
        origin, _ = self.body.origin(values, present)
        scale = self.body.scale(values, present)[0][..., None, None]
        points = {}
        for block in self.layout.blocks:
            axes = self._axes(block)
            indices = [block.axes.index(axis) for axis in axes]
            shape = (len(block.points), len(block.axes))
            own = values[..., self.layout.slices[block.name]].unflatten(-1, shape)[..., indices]
            if block.coordinates:
                # z has an origin of its own in every block (MediaPipe): only x and y are centred.
                centre = torch.zeros(*own.shape[:2], 1, len(axes), device=own.device)
                for i, axis in enumerate(self.body.axes):
                    if axis in axes:
                        centre[..., 0, axes.index(axis)] = origin[..., i]
                own = (own - centre) / scale
            points[block.name] = own
        return points

    def _present(self, presence: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, blocks] bool, False beyond a sequence's length."""
        return presence.bool() & frame_mask(lengths, presence.shape[1])[..., None]

    def _block_indices(self) -> list[int]:
        return [self.layout.block_index(block.name) for block in self.blocks]


def _other_side(name: str) -> str:
    """left_hand <-> right_hand; other names stay."""
    if name.startswith("left"):
        return "right" + name.removeprefix("left")
    if name.startswith("right"):
        return "left" + name.removeprefix("right")
    return name


def _shifted(values: Tensor, by: int) -> Tensor:
    """values[:, t - by], 0 (or False) where there is no such frame."""
    result = torch.zeros_like(values)
    if by > 0:
        result[:, by:] = values[:, :-by]
    else:
        result[:, :by] = values[:, -by:]
    return result
