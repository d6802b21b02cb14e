"""Chooses the dtype in which a corpus is stored: the smallest one that is precise enough."""

from __future__ import annotations

import numpy as np

from slr_accel.layouts.layout import Layout

TOLERANCE = 1 / 1000


class DtypeChooser:
    """Chooses the dtype after `add` has seen every sequence.

    It is uint8 where all values are whole numbers from 0 to 255. It is float16 where the rounding
    error is at most 1/1000 of the body's unit of length (the mean shoulder width in the sequence
    where that is smallest); or, for columns without coordinates and layouts without a scale, of the
    column's standard deviation over the frames that have it. Otherwise it is float32.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._block_columns = [block.columns for block in layout.blocks]
        self._is_byte = True
        self._worst_rounding, self._sum, self._sum_of_squares, self._frames = np.zeros(
            (4, layout.columns)
        )
        self._shortest = np.inf

    def add(self, features: np.ndarray, presence: np.ndarray) -> None:
        """Adds finite [T, D] features, 0 where a block is absent, with [T, blocks] presence."""
        values = features.astype(np.float64)
        # Beyond float16's range the error is infinite, which rules it out.
        with np.errstate(over="ignore"):
            rounding = np.abs(values - features.astype(np.float16)).max(axis=0)
        self._worst_rounding = np.maximum(self._worst_rounding, rounding)
        self._sum += values.sum(axis=0)
        self._sum_of_squares += (values**2).sum(axis=0)
        # Counting the zeros of absent blocks would make a column seem to vary more.
        self._frames += np.repeat(presence.sum(axis=0), self._block_columns)
        self._is_byte &= bool(((values == np.rint(values)) & (values >= 0) & (values < 256)).all())
        if self._layout.scale:
            self._shortest = min(self._shortest, self._unit_of_length(values, presence))

    def _unit_of_length(self, values: np.ndarray, presence: np.ndarray) -> float:
        """The mean distance of the scale points; infinite where they were never seen apart."""
        points, present = [], np.ones(len(values), bool)
        for reference in self._layout.scale:
            block = self._layout.block(reference.partition(".")[0])
            axes = tuple(axis for axis in ("x", "y") if axis in block.axes)
            points.append(values[:, self._layout.point_columns(reference, axes)])
            present &= presence[:, self._layout.block_index(block.name)]
        lengths = np.linalg.norm(points[0] - points[1], axis=1)[present]
        return float(lengths.mean()) if lengths.any() else np.inf

    def dtype(self) -> str:
        if self._is_byte:
            return "uint8"
        frames = np.maximum(self._frames, 1)
        variance = self._sum_of_squares / frames - (self._sum / frames) ** 2
        unit = np.sqrt(np.maximum(variance, 0))
        if self._shortest < np.inf:
            unit[self._coordinate_columns()] = self._shortest
        return "float16" if (self._worst_rounding <= TOLERANCE * unit).all() else "float32"

    def _coordinate_columns(self) -> list[int]:
        return [
            self._layout.point_columns(f"{block.name}.{point}", (axis,))[0]
            for block in self._layout.blocks
            for point in block.points
            for axis in block.coordinates
        ]
