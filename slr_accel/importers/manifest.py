"""`slr-accel prepare manifest`: makes a corpus of arrays named by an index, for own data."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.importers.arrays import as_float32, read_array, read_samples, split_reference
from slr_accel.importers.base_values import to_base_values
from slr_accel.importers.block_order import can_be_compared, explain_order, true_order
from slr_accel.importers.index import IndexRow, one_rate, read_index
from slr_accel.importers.listing import Item, Listing, Problems, check_fps
from slr_accel.layouts.layout import Layout, generic_layout
from slr_accel.layouts.missing import MARKERS, parse_marker
from slr_accel.layouts.named_layouts import NAMED_LAYOUTS, LayoutFile, read_layout

DESCRIPTION = """\
Makes a corpus from arrays on disk. INDEX is a .jsonl file with one sequence a line:

  {"id": "s1", "split": "train", "features": "s1.npy", "labels": "GOOD DAY"}

features  FILE.npy, FILE.npz#KEY or FILE.safetensors#KEY, [frames, values]; or a list of them,
          joined in time. Paths start at the index.
labels    glosses, as a text with spaces or a list; needed in the split `train`
split     train and dev are what training uses; others (test) are for evaluate and predict
also      signer, fps (frames per second), text, segments ([[start_frame, end_frame, gloss], ...])

Where each sequence has as many arrays as labels, the arrays are its signs, and their limits become
its segments.

A .csv with these column names works too (a list of features with `;` between). A layout.json beside
the index says what the columns mean; without one they are generic numbers. The order of a layout's
blocks is that of the columns. mediapipe_holistic has pose, left_hand, right_hand, face; many
extractors join pose, face, left_hand, right_hand. Some arrays are checked: hands and face must be
where the pose has them.
"""

PARTS_ARE_SIGNS = "every sequence has one array a label: the limits of the arrays became segments"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", required=True, type=Path, help="jsonl or csv file")
    parser.add_argument(
        "--layout", help=f"{', '.join(NAMED_LAYOUTS)}, or a layout.json [the one beside the index]"
    )
    parser.add_argument(
        "--missing",
        help=f"how a frame marks what was not detected: {', '.join(MARKERS)} [as layout.json says, "
        "else none]",
    )
    parser.add_argument("--fps", type=float, help="frames per second of rows that do not say")


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_manifest(args.index, layout=args.layout, missing=args.missing, fps=args.fps)


@dataclass(frozen=True)
class _Source:
    folder: Path
    layout: Layout
    origin: str
    """The source of the number of columns, for messages."""
    missing: dict[str, str]
    frame_size: tuple[float, float] | None
    file: tuple[Path, ...]
    """The layout file, where there is one."""
    parts_are_signs: bool
    """Whether each array of a sequence is the sign of one label."""
    sideways: int | None
    """The number of rows of an array that is [values, frames]; None where it is unknown."""


def list_manifest(
    index: Path, *, layout: str | None = None, missing: str | None = None, fps: float | None = None
) -> Listing:
    """Lists the sequences of an index.

    Args:
        layout: name of a layout or a `layout.json`; None takes the one beside the index, and
            generic columns where there is none.
        missing: how every block marks absence (zeros, nan or none); None takes the layout file's.
        fps: frames per second, for rows that do not say.

    Raises:
        ValueError: the index or the layout cannot be read at all.
    """
    check_fps(fps)
    if missing is not None:
        parse_marker(missing)
    problems = Problems()
    rows = read_index(index, problems)
    if not rows:
        problems.raise_if_any()
    source = _find_source(index, rows, layout, missing)
    _check_block_order(index, rows, source, problems)
    stored = source.layout
    if source.frame_size:
        stored = replace(stored, units="fraction of the frame's width and height")
    return Listing(
        importer="manifest",
        layout=stored,
        frames_per_second=one_rate(rows, fps, problems),
        items=[_item(row, source) for row in rows],
        source={
            "missing": source.missing,
            "divided_by_frame_size": source.frame_size,
            "parts_are_signs": source.parts_are_signs,
        },
        notes=problems.notes + ([PARTS_ARE_SIGNS] if source.parts_are_signs else []),
        files=(index, *source.file),
        root=index.parent,
        problems=problems,
    )


def _item(row: IndexRow, source: _Source) -> Item:
    # Reading reports a missing file.
    files = {split_reference(source.folder, part)[0] for part in row.parts}
    return Item(row.id, row.where, partial(_read, row, source), tuple(sorted(files)))


def _find_source(
    index: Path, rows: list[IndexRow], layout: str | None, missing: str | None
) -> _Source:
    beside = index.parent / "layout.json"
    if layout is None and beside.is_file():
        layout = str(beside)
    sideways: int | None
    if layout is not None:
        found = read_layout(layout)
        origin, sideways = f"the layout ({found.layout.signature})", found.layout.columns
    else:
        part, columns = _first_columns(index.parent, rows)
        found = LayoutFile(generic_layout(columns), {}, None)
        origin, sideways = f"{part}, the first array,", _shared_rows(index.parent, rows)
    return _Source(
        index.parent,
        found.layout,
        origin,
        {b.name: missing or found.missing.get(b.name, "none") for b in found.layout.blocks},
        found.frame_size,
        (Path(layout),) if layout is not None and Path(layout).is_file() else (),
        _parts_are_signs(rows),
        sideways,
    )


def _check_block_order(
    index: Path, rows: list[IndexRow], source: _Source, problems: Problems
) -> None:
    """Raises ValueError where only another order puts hands and face where the pose has them."""
    if not can_be_compared(source.layout):
        return
    parts = [part for row in rows for part in row.parts]
    samples = read_samples(partial(read_array, source.folder), parts)
    values = [array for array in samples if array.shape[1] == source.layout.columns]
    if not values:
        return
    joined = np.concatenate(values)
    fitting = true_order(joined, source.layout)
    if fitting is None:
        return
    slices = [fitting.slices[block.name] for block in source.layout.blocks]
    own_order = ", ".join(f"a[:, {columns.start}:{columns.stop}]" for columns in slices)
    names = ",".join(fitting.slices)
    problems.add(
        str(index),
        f"{explain_order(joined, source.layout, fitting)}: {names}. Put the blocks of "
        f"{source.file[0] if source.file else 'a layout.json'} in that order, or the columns of "
        f"each array in the layout's: np.concatenate([{own_order}], axis=1)",
    )
    # In wrong columns all other checks would be in vain.
    problems.raise_if_any()


def _parts_are_signs(rows: list[IndexRow]) -> bool:
    """Whether all labelled rows have as many arrays as labels, and none has segments."""
    labelled = [row for row in rows if row.labels]
    return any(len(row.parts) > 1 for row in labelled) and all(
        len(row.parts) == len(row.labels) and not row.segments for row in labelled
    )


def _first_columns(folder: Path, rows: list[IndexRow]) -> tuple[str, int]:
    """The first array that can be read, and its values a frame."""
    parts = [part for row in rows for part in row.parts]
    for part in parts:
        # Checking all arrays reports what is wrong with the ones before.
        with suppress(ValueError):
            return part, read_array(folder, part).shape[1]
    return "", 1


def _shared_rows(folder: Path, rows: list[IndexRow]) -> int | None:
    """The number of rows that some arrays have in common, where their columns differ."""
    parts = [part for row in rows for part in row.parts]
    shapes = {array.shape for array in read_samples(partial(read_array, folder), parts)}
    heights = {height for height, _ in shapes}
    return heights.pop() if len(heights) == 1 < len(shapes) else None


def _read(row: IndexRow, source: _Source) -> Sequence:
    """One sequence, with absent blocks found and set to 0. ValueError says what is wrong."""
    parts = [_read_part(name, source) for name in row.parts]
    features = np.concatenate(parts)
    presence, seen = to_base_values(features, source.layout, source.missing, source.frame_size)
    # Annotations often include the last frame: one frame too many is corrected, more is an error.
    frames = len(features)
    segments = [
        s._replace(end=frames) if s.end == frames + 1 and s.start < frames else s
        for s in row.segments
    ]
    if source.parts_are_signs and row.labels:
        ends = np.cumsum([len(part) for part in parts]).tolist()
        segments = list(map(Segment, [0, *ends[:-1]], ends, row.labels))
    return row.sequence(features, presence, segments, seen)


def _read_part(name: str, source: _Source) -> np.ndarray:
    part = read_array(source.folder, name)
    if part.shape[1] != source.layout.columns:
        hint = source.layout.hint_at_refined_face(part.shape[1])
        if len(part) == source.sideways:
            hint = "are the arrays [values, frames]? frames come first; if they do, "
        raise ValueError(
            f"{name} has {part.shape[1]} columns, but {source.origin} has "
            f"{source.layout.columns}; {hint}give the layout of these arrays with --layout"
        )
    return as_float32(part, name)
