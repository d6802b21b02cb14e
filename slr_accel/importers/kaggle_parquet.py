"""Reads landmarks in parquet as Kaggle has them: a row a point (asl-signs), or a row a frame.

The wide form (fingerspelling) has a column a coordinate and several sequences a file.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.layouts.layout import Layout
from slr_accel.layouts.named_layouts import mediapipe_holistic

LAYOUT = mediapipe_holistic()
LONG = ("frame", "type", "landmark_index", "x", "y", "z")


def read_kaggle(path: Path, sequence: str | None) -> np.ndarray:
    """[T, D] in the columns of mediapipe_holistic; NaN where a point or a frame is absent.

    Args:
        sequence: its `sequence_id`, where a file holds several.

    Raises:
        ValueError: says what is wrong with the file.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    names = _columns(path, path.stat().st_mtime_ns)
    if set(LONG) <= set(names):
        return _long(path)
    wanted = wide_columns(LAYOUT)
    missing = [name for name in ("frame", *wanted) if name not in names]
    if missing:
        raise ValueError(
            f"{path}: has no column {missing[0]} ({len(missing)} are missing); needed are "
            f"{', '.join(LONG)} of Kaggle's long form, or frame and x_face_0 to "
            "z_right_hand_20 of the wide one"
        )
    return _wide(path, sequence, wanted)


def wide_columns(layout: Layout) -> list[str]:
    """Names of the columns of the wide form, in the layout's order."""
    return [
        f"{axis}_{block.name}_{number}"
        for block in layout.blocks
        for number in range(len(block.points))
        for axis in block.axes
    ]


def sequences_in(path: Path) -> list[str]:
    """The `sequence_id`s of a file of the wide form, in its order; [] where it has none.

    Raises:
        ValueError: it cannot be read.
    """
    names = _columns(path, path.stat().st_mtime_ns)
    if "sequence_id" not in names or set(LONG) <= set(names):
        return []
    ids = _open(path).read(columns=["sequence_id"]).column("sequence_id").to_numpy()
    return [str(id) for id in dict.fromkeys(ids.tolist())]


@lru_cache(maxsize=4)
def _columns(path: Path, modified: int) -> tuple[str, ...]:
    return tuple(_open(path).schema_arrow.names)


def _open(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:120]
        raise ValueError(f"{path}: not readable as parquet ({reason})") from None


@lru_cache(maxsize=1)
def _table(path: Path, modified: int, columns: tuple[str, ...]) -> Any:
    # A file of the wide form holds a thousand sequences: it is read once for all of them.
    import pyarrow

    try:
        return _open(path).read(columns=list(columns))
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not readable as parquet ({error})") from None


def _wide(path: Path, sequence: str | None, wanted: list[str]) -> np.ndarray:
    modified = path.stat().st_mtime_ns
    by = ("sequence_id",) if "sequence_id" in _columns(path, modified) else ()
    table = _table(path, modified, (*by, "frame", *wanted))
    if by and sequence is not None:
        ids = table.column("sequence_id").to_numpy()
        rows = np.flatnonzero(ids.astype(str) == sequence)
        if not len(rows):
            raise ValueError(f"{path}: has no sequence_id {sequence}")
        # The rows of a sequence are neighbours: a slice needs no copy of the table.
        table = table.slice(int(rows[0]), int(rows[-1] - rows[0]) + 1)
        if len(table) != len(rows):
            table = table.take(rows - rows[0])
    values = np.stack([table.column(name).to_numpy() for name in wanted], axis=1)
    return _by_frame(path, table.column("frame").to_numpy(), values)


def _long(path: Path) -> np.ndarray:
    table = _open(path).read(columns=list(LONG))
    kinds = np.asarray(table.column("type").to_pylist(), str)
    frames, number = (table.column(name).to_numpy() for name in ("frame", "landmark_index"))
    xyz = np.stack([table.column(axis).to_numpy() for axis in ("x", "y", "z")], axis=1)
    unknown = sorted(set(kinds) - set(LAYOUT.slices))
    if unknown:
        raise ValueError(
            f"{path}: `type` is {str(unknown[0])!r}; known are {', '.join(LAYOUT.slices)}"
        )
    places, row = np.unique(frames, return_inverse=True)
    values = np.full((len(places), LAYOUT.columns), np.nan, np.float32)
    for block in LAYOUT.blocks:
        own = kinds == block.name
        if own.any() and not 0 <= number[own].min() <= number[own].max() < len(block.points):
            raise ValueError(
                f"{path}: landmark_index of {block.name} goes from {number[own].min()} to "
                f"{number[own].max()}; MediaPipe Holistic has 0 to {len(block.points) - 1}"
            )
        first = LAYOUT.slices[block.name].start
        for axis in range(3):
            values[row[own], first + 3 * number[own] + axis] = xyz[own, axis]
    return _by_frame(path, places, values)


def _by_frame(path: Path, frames: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Puts rows at their frames, from the first one on; frames between that lack are NaN."""
    if not len(frames):
        raise ValueError(f"{path}: has no frames")
    if not np.issubdtype(frames.dtype, np.integer):
        raise ValueError(f"{path}: `frame` holds {frames.dtype}, not whole numbers")
    first, last = int(frames.min()), int(frames.max())
    if len(np.unique(frames)) < len(frames):
        raise ValueError(f"{path}: has a frame twice; does it hold several sequences?")
    if last - first + 1 > 4 * len(frames) + 100:
        raise ValueError(f"{path}: {len(frames)} frames are numbered from {first} to {last}")
    placed = np.full((last - first + 1, values.shape[1]), np.nan, np.float32)
    placed[frames - first] = values
    return placed
