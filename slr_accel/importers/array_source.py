"""Reads the arrays that the rows of an index name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.importers.absence import fill_absent
from slr_accel.importers.arrays import as_float32, read_array, read_samples, split_reference
from slr_accel.importers.block_order import in_order, reordered
from slr_accel.importers.index import IndexRow
from slr_accel.importers.rates import at_rate
from slr_accel.importers.units import to_heights
from slr_accel.layouts.layout import Layout, generic_layout
from slr_accel.layouts.named_layouts import LayoutFile, read_layout


@dataclass(frozen=True)
class ArraySource:
    """Describes arrays [frames, values]."""

    folder: Path
    layout: Layout
    origin: str
    """The source of the number of columns, for messages."""
    missing: dict[str, str]
    """{block: how it marks absent points}"""
    frame_size: tuple[float, float] | None
    """Width and height of the frame of rows that do not say."""
    file: tuple[Path, ...]
    """The layout file, where there is one."""
    parts_are_signs: bool
    """Whether each array of a sequence is the sign of one label."""
    sideways: int | None
    """The number of rows of an array that is [values, frames]; None where it is unknown."""
    stored: Layout | None = None
    """The blocks in the order of the arrays' columns, where it is not the layout's."""
    pixels: bool = False
    """Whether coordinates are in pixels, where the frame's size is known; else they are fractions
    of it."""
    rate: float | None = None
    """Frames per second of rows that do not say."""
    wanted_rate: float | None = None
    """Frames per second that all rows are resampled to; None leaves them."""

    def samples(self, rows: list[IndexRow]) -> list[np.ndarray]:
        """Some of the arrays that fit the layout, [T, D] each."""
        parts = [part for row in rows for part in row.parts]
        read = partial(read_array, self.folder, columns=self.layout.columns)
        found = read_samples(read, parts)
        return [self._own(array) for array in found if array.shape[1] == self.layout.columns]

    def _own(self, array: np.ndarray) -> np.ndarray:
        """The array with its columns in the layout's order."""
        return array if self.stored is None else reordered(array, self.stored, self.layout)

    def size_of(self, row: IndexRow) -> tuple[float, float] | None:
        return row.frame_size or self.frame_size

    def files(self, row: IndexRow) -> tuple[Path, ...]:
        # Reading reports a missing file.
        return tuple(sorted({split_reference(self.folder, part)[0] for part in row.parts}))

    def read(self, row: IndexRow) -> Sequence:
        """One sequence: absent points filled, coordinates in one unit, at the corpus' rate.

        Raises:
            ValueError: says what is wrong with its arrays, or its times.
        """
        parts = [self._read_part(name) for name in row.parts]
        rate = row.fps or self.rate
        if not row.span.is_whole and len(parts) == 1:
            parts = [parts[0][row.span.frames(len(parts[0]), rate)]]
        # Each array is a recording of its own, across whose end nothing may be interpolated.
        detected = [fill_absent(part, self.layout, self.missing) for part in parts]
        features = np.concatenate(parts)
        presence = np.concatenate([found.presence for found in detected])
        if not row.span.is_whole and len(parts) > 1:
            cut = row.span.frames(len(features), rate)
            features, presence = features[cut], presence[cut]
        size = self.size_of(row)
        if size:
            to_heights(features, self.layout, size, pixels=self.pixels)
        seen = np.sum([found.seen for found in detected], axis=0)
        segments = self._segments(row, [len(part) for part in parts], len(features))
        sequence = row.sequence(features, presence, segments, seen, size)
        return at_rate(sequence, self.layout, rate, self.wanted_rate)

    def _segments(self, row: IndexRow, lengths: list[int], frames: int) -> list[Segment]:
        if self.parts_are_signs and row.labels:
            ends = np.cumsum(lengths).tolist()
            return list(map(Segment, [0, *ends[:-1]], ends, row.labels))
        # Annotations often include the last frame: one frame too many is corrected, more is an
        # error.
        return [
            s._replace(end=frames) if s.end == frames + 1 and s.start < frames else s
            for s in row.segments
        ]

    def _read_part(self, name: str) -> np.ndarray:
        part = read_array(self.folder, name, self.layout.columns)
        if part.shape[1] != self.layout.columns:
            hint = self.layout.hint_at_refined_face(part.shape[1])
            if len(part) == self.sideways:
                hint = "are the arrays [values, frames]? frames come first; if they do, "
            raise ValueError(
                f"{name} has {part.shape[1]} columns, but {self.origin} has "
                f"{self.layout.columns}; {hint}give the layout of these arrays with --layout"
            )
        return as_float32(self._own(part), name)


def find_source(
    index: Path, rows: list[IndexRow], layout: str | None, missing: str | None
) -> ArraySource:
    """Finds out what the arrays of an index are; see `manifest.list_manifest`."""
    beside = index.parent / "layout.json"
    if layout is None and beside.is_file():
        layout = str(beside)
    sideways: int | None
    if layout is not None:
        found = read_layout(layout)
        origin, sideways = f"the layout ({found.layout.signature})", found.layout.columns
    else:
        origin, columns, sideways = _usual_columns(index.parent, rows)
        found = LayoutFile(generic_layout(columns), {}, None)
    return ArraySource(
        index.parent,
        found.layout,
        origin,
        {b.name: missing or found.missing.get(b.name, "none") for b in found.layout.blocks},
        found.frame_size,
        (Path(layout),) if layout is not None and Path(layout).is_file() else (),
        _parts_are_signs(rows),
        sideways,
        in_order(found.layout, found.block_order) if found.block_order else None,
    )


def _parts_are_signs(rows: list[IndexRow]) -> bool:
    """Whether all labelled rows have as many arrays as labels, and none has segments or times."""
    labelled = [row for row in rows if row.labels]
    return any(len(row.parts) > 1 for row in labelled) and all(
        len(row.parts) == len(row.labels) and not row.segments and row.span.is_whole
        for row in labelled
    )


def _usual_columns(folder: Path, rows: list[IndexRow]) -> tuple[str, int, int | None]:
    """An array like most, for messages; its values a frame; and the number of rows that arrays
    share whose columns differ."""
    parts = [part for row in rows for part in row.parts]
    found = read_samples(lambda part: (part, read_array(folder, part).shape), parts)
    if not found:
        # Checking all arrays reports what is wrong with them.
        return "", 1, None
    counts = Counter(shape[1] for _, shape in found)
    columns = counts.most_common(1)[0][0]
    part = next(part for part, shape in found if shape[1] == columns)
    origin = f"{part}, like most," if len(counts) > 1 else f"{part}, the first array,"
    shapes = {shape for _, shape in found}
    heights = {height for height, _ in shapes}
    return origin, columns, heights.pop() if len(heights) == 1 < len(shapes) else None
