"""Finds the mirror images of blocks, points and columns: left and right change places."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slr_accel.layouts.face_mesh import FACE_POINTS, MIRRORED
from slr_accel.layouts.layout import Block, Layout

_OTHER = {"left": "right", "Left": "Right", "LEFT": "RIGHT"}
_OTHER |= {right: left for left, right in _OTHER.items()}
_SIDE = re.compile(rf"(?<![A-Za-z])({'|'.join(_OTHER)})|(?<=[a-z])(Left|Right)")
_LETTERS = dict(zip("lrLR", "rlRL", strict=True))
_NUMBERED = re.compile(r"(point_)?\d+")


def other_side(name: str) -> str:
    """left_hand <-> right_hand, mouth_left <-> mouth_right, HandLeft <-> HandRight; others stay."""
    return _SIDE.sub(lambda found: _OTHER[found[0]], name)


@dataclass(frozen=True)
class Mirror:
    """The sources of a mirrored sequence's values."""

    blocks: list[int]
    """For each block, the block whose presence it takes."""
    columns: list[int]
    """For each column, the column whose value it takes."""
    x_columns: list[int]
    """Columns whose values are then mirrored about the middle of the body."""


def mirror_of(layout: Layout) -> Mirror:
    """Raises ValueError that names everything without a mirror image."""
    problems = []
    if "x" not in layout.origin_axes:
        problems.append("the layout names no origin with an x to mirror about")
    blocks: list[int] = []
    columns: list[int] = []
    x_columns: list[int] = []
    by_name = {block.name: block for block in layout.blocks}
    for block in layout.blocks:
        partner = by_name.get(other_side(block.name))
        if partner is None:
            problems.append(f"block {block.name!r} has no counterpart {other_side(block.name)!r}")
            continue
        if "x" not in block.axes or set(block.axes) != set(partner.axes):
            problems.append(f"block {block.name!r} has no x, or other axes than its counterpart")
            continue
        points = _mirrored_points(block, partner)
        if points is None or not set(points) <= set(partner.points):
            problems.append(
                f"nothing says which points of block {block.name!r} lie left and which right"
            )
            continue
        blocks.append(layout.block_index(partner.name))
        for own, point in zip(block.points, points, strict=True):
            columns += layout.point_columns(f"{partner.name}.{point}", block.axes)
            x_columns += layout.point_columns(f"{block.name}.{own}", ("x",))
    problems += _other_conventions(layout)
    if not problems:
        problems += _without_sides(layout)
    if problems:
        raise ValueError("; ".join(problems))
    return Mirror(blocks, columns, x_columns)


def _mirrored_points(block: Block, partner: Block) -> list[str] | None:
    """The mirror image in `partner` of each point; None where points are numbered."""
    if block.points == FACE_POINTS:
        return [MIRRORED[point] for point in block.points]
    if block is partner and any(_NUMBERED.fullmatch(point) for point in block.points):
        return None
    return [other_side(point) for point in block.points]


def _other_conventions(layout: Layout) -> list[str]:
    """Refuses pairs such as LShoulder and RShoulder, which would not change places."""
    problems = []
    points = {f"block {block.name!r}": block.points for block in layout.blocks}
    for where, names in {"the layout": layout.slices, **points}.items():
        staying = [name for name in names if other_side(name) == name]
        for name in staying:
            pair = next((other for other in _by_letter(name) if other in staying), None)
            if pair is not None:
                problems.append(
                    f"{where} tells {name!r} and {pair!r} apart by a letter; prepare the corpus "
                    "with a layout that writes out left and right in all such names"
                )
                break
    return problems


def _by_letter(name: str) -> list[str]:
    """The names that differ by one letter, an l for an r or the other way round."""
    return [
        name[:i] + _LETTERS[letter] + name[i + 1 :]
        for i, letter in enumerate(name)
        if letter in _LETTERS
    ]


def _without_sides(layout: Layout) -> list[str]:
    """Refuses several blocks without sides; a single hand, or a trunk, is mirrored in its place."""
    if len(layout.blocks) == 1 or any(map(_names_sides, layout.blocks)):
        return []
    return ["no block or point is named left or right, so that nothing would change places"]


def _names_sides(block: Block) -> bool:
    if block.points == FACE_POINTS:
        return True
    return any(other_side(name) != name for name in (block.name, *block.points))
