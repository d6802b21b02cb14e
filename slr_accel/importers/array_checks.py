"""Checks on some arrays that they are what their layout says: order of columns, axes and unit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from slr_accel.importers.absence import absent_points, is_of_points
from slr_accel.importers.array_source import ArraySource
from slr_accel.importers.arrays import as_float32
from slr_accel.importers.block_order import (
    FAR,
    NEAR,
    can_be_compared,
    distances,
    explain_order,
    farthest,
    fitting_orders,
)
from slr_accel.importers.listing import Problems
from slr_accel.importers.units import are_pixels
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.missing import parse_markers
from slr_accel.layouts.units import FRACTION, HEIGHT


def check_columns(
    index: Path, source: ArraySource, samples: list[np.ndarray], problems: Problems
) -> None:
    """Raises ValueError where hands and face are not where the pose has them, but could be.

    In a layout whose coordinates are of one frame they must be; others, which may be measured
    block by block, are refused only where another order of the columns puts them there.
    """
    if not samples or not can_be_compared(source.layout):
        return
    layout = source.layout
    joined = np.concatenate([_without_absent(array, source) for array in samples])
    if farthest(joined, layout) <= FAR:
        return
    orders = fitting_orders(joined, layout)
    axes = next(_by_axis(joined, layout), None)
    if not orders and axes:
        problems.add(str(index), axes)
    elif orders:
        problems.add(str(index), _other_order(joined, source, orders))
    elif layout.units in (FRACTION, HEIGHT) and np.isfinite(farthest(joined, layout)):
        apart = ", ".join(f"{k} {v:.2g}" for k, v in distances(joined, layout).items())
        problems.add(
            str(index),
            f"in no order of blocks do hands and face come to where the pose has them (in shoulder "
            f"widths from it: {apart}): these are not {layout.signature} of one frame. If each "
            "block is measured for itself, say so by a layout.json with other `units`",
        )
    # In wrong columns all other checks would be in vain.
    problems.raise_if_any()


def check_unit(
    index: Path, source: ArraySource, samples: list[np.ndarray], problems: Problems
) -> None:
    """Tells of pixels where the layout has fractions, and of a unit that needs a frame's size."""
    if source.layout.units not in (FRACTION, HEIGHT):
        return
    if are_pixels(samples, source.layout):
        problems.add(
            str(index),
            f"the coordinates are pixels, but the layout has them in ({source.layout.units}): give "
            "--frame_size WIDTHxHEIGHT, or a column `frame_size` where recordings differ",
        )
    elif source.layout.units == HEIGHT:
        problems.add(
            str(index),
            "the layout measures in the frame's height: give --frame_size WIDTHxHEIGHT, or a "
            "column `frame_size`; or --frame_size 1x1 where the arrays are in that unit already",
        )


def _without_absent(array: np.ndarray, source: ArraySource) -> np.ndarray:
    """A copy in which absent points are NaN."""
    values = as_float32(array, "an array")
    for block in source.layout.blocks:
        if is_of_points(block):
            columns = source.layout.slices[block.name]
            own = values[:, columns].reshape(len(values), len(block.points), len(block.axes))
            own[absent_points(own, block, parse_markers(source.missing[block.name]))] = np.nan
            values[:, columns] = own.reshape(len(values), -1)
    return values


def _other_order(joined: np.ndarray, source: ArraySource, orders: list[Layout]) -> str:
    """Words for the error: which order fits; or which ones do, where the data does not decide."""
    fitting, layout = orders[0], source.layout
    slices = [fitting.slices[block.name] for block in layout.blocks]
    own_order = ", ".join(f"a[:, {columns.start}:{columns.stop}]" for columns in slices)
    text = f"{explain_order(joined, layout, fitting)}: {','.join(fitting.slices)}. "
    if len(orders) > 1:
        others = " and ".join(",".join(order.slices) for order in orders[1:])
        return (
            f"{text}But {others} fits as well: a wrist or a hand is never seen, so that the data "
            "cannot tell. Ask how the arrays were made, and put the blocks of a layout.json in "
            "that order"
        )
    return (
        f"{text}Give --block_order {','.join(fitting.slices)}; or put the columns of each array in "
        f"the layout's order: np.concatenate([{own_order}], axis=1)"
    )


def _by_axis(joined: np.ndarray, layout: Layout) -> Iterator[str]:
    """Words for the error where the columns are all x, all y, all z: of all points, or by block."""
    frames = len(joined)
    counts = {len(block.axes) for block in layout.blocks}
    if len(counts) == 1:
        [axes] = counts
        moved = joined.reshape(frames, axes, -1).transpose(0, 2, 1).reshape(frames, -1)
        yield from _if_fitting(
            moved,
            layout,
            f"all x, then all y, ...: a.reshape(len(a), {axes}, -1).transpose(0, 2, 1)"
            ".reshape(len(a), -1)",
        )
    parts = [
        joined[:, layout.slices[block.name]]
        .reshape(frames, len(block.axes), len(block.points))
        .transpose(0, 2, 1)
        .reshape(frames, -1)
        for block in layout.blocks
    ]
    yield from _if_fitting(
        np.concatenate(parts, axis=1),
        layout,
        "of each block all x, then all y, ...; turn each block a[:, first:end] by "
        "b.reshape(len(b), axes, points).transpose(0, 2, 1).reshape(len(b), -1)",
    )


def _if_fitting(moved: np.ndarray, layout: Layout, text: str) -> Iterator[str]:
    orders = fitting_orders(moved, layout)
    if farthest(moved, layout) <= NEAR or orders:
        order = ""
        if farthest(moved, layout) > NEAR:
            order = f"; then the blocks are in the order {','.join(orders[0].slices)}"
        yield (
            f"the columns are not x, y, z of one point after the other, but {text} puts them in "
            f"the layout's order{order}"
        )
