"""Maps feature columns to blocks, feature groups and points."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from slr_accel.layouts.face_mesh import FACE_POINTS, REDUCED
from slr_accel.layouts.layout import Block, Layout
from slr_accel.layouts.mirror import other_side
from slr_accel.settings.features import FeatureSettings, Group


class Anchor(NamedTuple):
    """The points from whose mean a block's `relative` group is measured."""

    block: str
    points: tuple[str, ...]


class FeatureColumns:
    """The columns of a feature transform's output.

    Block by block, and group by group within a block, come the values of the block's points; then
    a presence channel for each block.

    Raises:
        ValueError: the settings name blocks that the layout does not have, or leave no features.
    """

    def __init__(self, layout: Layout, settings: FeatureSettings) -> None:
        self.layout = layout
        self.settings = settings
        self.blocks = self._used_blocks()
        """The blocks that features are made of."""
        self.kept = {block.name: self._kept_points(block) for block in self.blocks}
        """{block: numbers of its points that become features}"""
        self.shapes = {
            (block.name, group): self._shape(group, block)
            for block in self.blocks
            for group in settings.groups
        }
        """{(block, group): (points or pairs of points, values of each)}"""
        self.num_values = sum(self.group_widths.values())
        if not self.num_values:
            raise ValueError(
                f"groups {list(settings.groups)} make no features of {layout.signature}: add "
                "position, or exclude fewer points"
            )
        self.num_features = self.num_values + len(self.blocks)
        anchors = {anchor.block for b in self.blocks if (anchor := self.anchor(b)) is not None}
        self.read = [b for b in layout.blocks if b in self.blocks or b.name in anchors]
        """The blocks whose values are needed: those of `blocks`, and those with their anchors."""

    @property
    def group_widths(self) -> dict[tuple[str, str], int]:
        """Number of features of each (block, group), in their order."""
        return {key: points * axes for key, (points, axes) in self.shapes.items()}

    @property
    def block_widths(self) -> list[int]:
        """Number of features of each of `blocks`, in their order."""
        widths, groups = self.group_widths, self.settings.groups
        return [sum(widths[block.name, group] for group in groups) for block in self.blocks]

    def places(self, block: Block) -> list[tuple[Group, slice, tuple[int, int]]]:
        """Returns (group, columns, shape) of each group that a block has values of."""
        found, start = [], 0
        for (name, group), shape in self.shapes.items():
            end = start + shape[0] * shape[1]
            if name == block.name and end > start:
                found.append((group, slice(start, end), shape))
            start = end
        return found

    def presence(self, block: Block) -> int:
        """Returns the column that says whether a block is present."""
        return self.num_values + self.blocks.index(block)

    def without_effect(self) -> list[str]:
        """Returns a text for each setting that was given and changes nothing for this layout."""
        settings, blocks = self.settings, ", ".join(block.name for block in self.blocks)
        given = settings.model_fields_set
        points = [f"{block.name}.{point}" for block in self.blocks for point in block.points]
        found = [
            f"exclude_points {pattern} has no effect: it matches no point of {blocks}"
            for pattern in settings.exclude_points
            if "exclude_points" in given
            and not any(fnmatchcase(point, pattern) for point in points)
        ]
        if "groups" in given:
            made = {group for (_, group), width in self.group_widths.items() if width}
            found += [
                f"groups {group} has no effect: it makes no features of {blocks}"
                for group in settings.groups
                if group not in made
            ]
        if "depth" in given and not settings.depth and not any("z" in b.axes for b in self.blocks):
            found.append(f"depth false has no effect: there is no z in {blocks}")
        is_reduced = "face_points" in given and settings.face_points == "reduced"
        if is_reduced and not any(block.points == FACE_POINTS for block in self.blocks):
            found.append(
                "face_points reduced has no effect: none of "
                + ", ".join(f"{block.name} ({len(block.points)} points)" for block in self.blocks)
                + " has the 468 points of MediaPipe's face mesh, named as in the layout "
                "mediapipe_holistic"
            )
        return found

    def of_points(self, block: Block, groups: tuple[str, ...]) -> dict[str, list[int]]:
        """Returns {point: its columns} for the points of a block that become features.

        Only columns of `groups` count, which cannot have `distances`: these are of pairs. All
        points have equally many columns, none where the block has none of the groups.
        """
        assert "distances" not in groups
        columns: list[list[int]] = [[] for _ in self.kept[block.name]]
        for group, own, (points, axes) in self.places(block):
            if group in groups:
                for i in range(points):
                    columns[i] += range(own.start + i * axes, own.start + (i + 1) * axes)
        names = [block.points[i] for i in self.kept[block.name]]
        return dict(zip(names, columns, strict=True))

    def axes(self, block: Block) -> tuple[str, ...]:
        """Returns the axes of a block that features are made of."""
        if "value" in block.axes:
            return ("value",)
        return tuple(a for a in block.coordinates if self.settings.depth or a != "z")

    def corners(self, block: Block) -> list[int]:
        """Returns the numbers of a hand's wrist and fingertips that are kept; else nothing."""
        tips = [i for i, point in enumerate(block.points) if point.endswith("_tip")]
        if not tips or "wrist" not in block.points:
            return []
        kept = self.kept[block.name]
        return [i for i in (block.points.index("wrist"), *tips) if i in kept]

    def anchor(self, block: Block) -> Anchor | None:
        """Returns the anchor: a hand's is its wrist, the face's the nose, the pose's the origin.

        The anchor of a hand of a single point is the other hand. A block that has no such points
        has no anchor, and so no relative group.
        """
        own_origin = tuple(
            point
            for name, _, point in (r.partition(".") for r in self.layout.origin)
            if name == block.name
        )
        for points in (own_origin, ("wrist",), ("nose",)):
            if points and set(points) <= set(block.points) and len(block.points) > len(points):
                return Anchor(block.name, points)
        other = other_side(block.name)
        has_other = other != block.name and any(b.name == other for b in self.layout.blocks)
        if len(block.points) == 1 and has_other:
            return Anchor(other, block.points)
        return None

    def _used_blocks(self) -> list[Block]:
        layout, settings = self.layout, self.settings
        known = [block.name for block in layout.blocks]
        unknown = [name for name in settings.blocks if name not in known]
        if unknown:
            raise ValueError(f"blocks has {unknown}, which the layout has not; it has {known}")
        return [b for b in layout.blocks if not settings.blocks or b.name in settings.blocks]

    def _kept_points(self, block: Block) -> list[int]:
        patterns = self.settings.exclude_points
        reduced = self.settings.face_points == "reduced" and block.points == FACE_POINTS
        return [
            i
            for i, point in enumerate(block.points)
            if not any(fnmatchcase(f"{block.name}.{point}", pattern) for pattern in patterns)
            and (point in REDUCED or not reduced)
        ]

    def _shape(self, group: str, block: Block) -> tuple[int, int]:
        if group in ("relative", "shape", "distances") and self.anchor(block) is None:
            return 0, 1
        if group == "distances":
            corners = len(self.corners(block))
            return corners * (corners - 1) // 2, 1
        return len(self.kept[block.name]), len(self.axes(block))
