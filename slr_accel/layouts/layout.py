"""Describes what the columns of a sequence mean: named blocks of points, each with its axes.

Columns run block by block, point by point, axis by axis. No other code knows a column number: it
asks the layout for a block or a point by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from slr_accel.files import is_unicode
from slr_accel.layouts.face_mesh import FACE_POINTS, IRIS_POINTS, explain_refined
from slr_accel.layouts.layout_form import LayoutForm, read_form

COORDINATES = ("x", "y", "z")
AXES = (*COORDINATES, "confidence", "value")


@dataclass(frozen=True)
class Block:
    """A named group of points that is detected, or missing, as a whole."""

    name: str
    points: tuple[str, ...]
    axes: tuple[str, ...]
    """Some of x, y, z, confidence; ("value",) for columns without a meaning."""

    @property
    def columns(self) -> int:
        return len(self.points) * len(self.axes)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The axes that are positions in space; empty for generic columns."""
        return tuple(axis for axis in self.axes if axis in COORDINATES)

    @property
    def is_planar(self) -> bool:
        """Whether its points have x and y."""
        return {"x", "y"} <= set(self.axes)


@dataclass(frozen=True)
class Layout:
    """The blocks of a corpus in column order, and the points that positions are measured from.

    `origin` names the points whose mean is the centre of the body; `scale` names two points whose
    distance is the unit of length. Both may be empty: then train statistics alone normalise.
    """

    blocks: tuple[Block, ...]
    origin: tuple[str, ...] = ()
    scale: tuple[str, ...] = ()
    units: str = "unknown"

    def __post_init__(self) -> None:
        names = [block.name for block in self.blocks]
        problems = [f"block {n!r} is named twice" for n in sorted(set(names)) if names.count(n) > 1]
        for block in self.blocks:
            problems += _block_problems(block)
        for field in ("origin", "scale"):
            for reference in getattr(self, field):
                problems += self._reference_problems(field, reference)
        if not self.blocks:
            problems.append("it has no blocks")
        if self.scale and len(self.scale) != 2:
            problems.append(f"scale needs exactly two points, not {len(self.scale)}")
        elif self.scale and self.scale[0] == self.scale[1]:
            problems.append(f"scale names {self.scale[0]!r} twice; a length needs two points")
        if not is_unicode(self.units):
            problems.append(f"units {self.units!r} is not UTF-8 text")
        if problems:
            raise ValueError("this layout cannot be used: " + "; ".join(problems))

    def _reference_problems(self, field: str, reference: str) -> list[str]:
        named = f"{field} names {reference!r}, "
        if not self.has_point(reference):
            return [named + "which is not a BLOCK.POINT of this layout"]
        block = self.block(reference.partition(".")[0])
        if field == "scale" and not block.is_planar:
            return [named + "whose block has not both x and y"]
        return [] if block.coordinates else [named + "whose block has no x, y or z"]

    @property
    def columns(self) -> int:
        """Values a frame."""
        return sum(block.columns for block in self.blocks)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The columns of each block, by name."""
        edges = accumulate((block.columns for block in self.blocks), initial=0)
        return {b.name: slice(*edge) for b, edge in zip(self.blocks, pairwise(edges), strict=True)}

    def block(self, name: str) -> Block:
        return next(block for block in self.blocks if block.name == name)

    def block_index(self, name: str) -> int:
        """The position of a block: its column in `presence`."""
        return [block.name for block in self.blocks].index(name)

    def point_columns(self, reference: str, axes: tuple[str, ...]) -> list[int]:
        """Columns of BLOCK.POINT for the given axes, in that order."""
        name, _, point = reference.partition(".")
        block = self.block(name)
        first = self.slices[name].start + block.points.index(point) * len(block.axes)
        return [first + block.axes.index(axis) for axis in axes]

    def point_number(self, reference: str) -> int:
        """The position of BLOCK.POINT among the points of all blocks.

        A block without coordinates has as many points as columns.
        """
        name, _, point = reference.partition(".")
        index = self.block_index(name)
        before = [len(b.points) if b.coordinates else b.columns for b in self.blocks[:index]]
        return sum(before) + self.blocks[index].points.index(point)

    def has_point(self, reference: str, axes: tuple[str, ...] = ()) -> bool:
        """Whether there is such a BLOCK.POINT, with these axes."""
        name, _, point = reference.partition(".")
        return any(
            block.name == name and point in block.points and set(axes) <= set(block.axes)
            for block in self.blocks
        )

    def hint_at_refined_face(self, columns: int) -> str:
        """Words for a message where refined face landmarks explain that an array has `columns`."""
        for block in self.blocks:
            refined = columns - self.columns == IRIS_POINTS * len(block.axes)
            if block.points == FACE_POINTS and refined:
                return f"{explain_refined('the face seems to have')}, or "
        return ""

    @property
    def origin_axes(self) -> tuple[str, ...]:
        """The axes, x and y at most, that all points of the origin have."""
        blocks = [self.block(reference.partition(".")[0]) for reference in self.origin]
        return tuple(a for a in ("x", "y") if blocks and all(a in block.axes for block in blocks))

    @property
    def signature(self) -> str:
        """A short readable form, e.g. `pose 33xyz, left_hand 21xyz` or `features 13`."""
        return ", ".join(
            f"{b.name} {len(b.points)}"
            + "".join({"confidence": "c", "value": ""}.get(axis, axis) for axis in b.axes)
            for b in self.blocks
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": self.columns,
            "blocks": [
                {"name": b.name, "points": list(b.points), "axes": list(b.axes)}
                for b in self.blocks
            ],
            "units": self.units,
            "origin": list(self.origin),
            "scale": list(self.scale),
        }

    @staticmethod
    def from_json(data: Any) -> Layout:
        """Raises ValueError that says which key is wrong, and of which block."""
        return Layout.from_form(read_form(data))

    @staticmethod
    def from_form(form: LayoutForm) -> Layout:
        layout = Layout(
            tuple(Block(b.name, tuple(b.points), tuple(b.axes)) for b in form.blocks),
            origin=tuple(form.origin or ()),
            scale=tuple(form.scale or ()),
            units=form.units,
        )
        if form.columns not in (None, layout.columns):
            raise ValueError(
                f"the layout declares {form.columns} columns, but its blocks have {layout.columns}"
            )
        return layout


def _block_problems(block: Block) -> list[str]:
    foreign = [name for name in (block.name, *block.points) if not is_unicode(name)]
    unknown = [axis for axis in block.axes if axis not in AXES]
    problems = {
        f"has names that are not UTF-8 text: {foreign}": foreign,
        "needs a name without a dot": not block.name or "." in block.name,
        "has no points": not block.points,
        "names a point twice": len(set(block.points)) < len(block.points),
        "needs axes, each once": not block.axes or len(set(block.axes)) < len(block.axes),
        f"has unknown axes {unknown}; known: {list(AXES)}": unknown,
    }
    return [f"block {block.name!r} {problem}" for problem, holds in problems.items() if holds]


def generic_layout(columns: int) -> Layout:
    """Columns without a meaning (tracks, MFCC, log-mel): one block, always present."""
    return Layout((Block("features", tuple(str(i) for i in range(columns)), ("value",)),))
