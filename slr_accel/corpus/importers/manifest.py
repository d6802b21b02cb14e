"""`slr-accel prepare manifest`: arrays named by an index become a corpus. The road for own data.

Two passes over the arrays: the first checks every one and finds the smallest dtype that loses
nothing that matters, the second writes. So all problems are seen at once, before anything is
written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from slr_accel.corpus.format import CorpusInfo, sha256
from slr_accel.corpus.importers.arrays import read_array, split_reference
from slr_accel.corpus.importers.index import MAX_FPS, IndexRow, Problems, read_index
from slr_accel.corpus.layout import Layout, LayoutFile, generic_layout, read_layout
from slr_accel.corpus.precision import PrecisionSurvey
from slr_accel.corpus.record import Sequence
from slr_accel.corpus.writer import check_new_folder, write_corpus

Progress = Callable[[Iterable[IndexRow], str, int], Iterable[IndexRow]]


@dataclass(frozen=True)
class _Source:
    folder: Path
    layout: Layout
    origin: str
    """Where the number of columns comes from, for messages."""
    missing: dict[str, str]
    frame_size: tuple[float, float] | None
    divisors: np.ndarray


def prepare_manifest(
    index: Path,
    out: Path,
    *,
    layout: str | None,
    missing: str | None,
    fps: float | None,
    track: Progress,
) -> CorpusInfo:
    """Reads an index and its arrays and writes a corpus to `out`.

    Args:
        layout: name of a layout or a `layout.json`; None takes the one beside the index, and
            generic columns where there is none.
        missing: how every block marks absence (zeros, nan or none); None takes the layout file's.
        fps: frames per second, for rows that do not say.
        track: wraps an iterable to show progress.

    Raises:
        ValueError: with every problem found and its line; nothing is written then.
    """
    check_new_folder(out)
    if fps is not None and not 0 < fps < MAX_FPS:
        raise ValueError(f"--fps is {fps:g}; give frames per second, more than 0")
    problems = Problems(index)
    rows = read_index(index, problems)
    if not rows:
        problems.raise_if_any()
    source = _find_source(index, rows, layout, missing)
    frames_per_second = _one_rate(rows, fps, problems)
    survey = PrecisionSurvey(source.layout)
    for row in track(rows, "checking", len(rows)):
        _check_row(row, source, survey, problems)
    problems.raise_if_any()
    parts = {part for row in rows for part in row.features}
    files = {split_reference(index.parent, part)[0] for part in parts}
    return write_corpus(
        out,
        (_read(row, source) for row in track(rows, "writing", len(rows))),
        layout=_stored_layout(source),
        dtype=survey.dtype(),
        frames_per_second=frames_per_second,
        source={
            "importer": "manifest",
            "index": str(index),
            "index_sha256": sha256(index),
            "files": {str(file): file.stat().st_size for file in sorted(files)},
            "missing": source.missing,
            "divided_by_frame_size": source.frame_size,
        },
    )


def _find_source(
    index: Path, rows: list[IndexRow], layout: str | None, missing: str | None
) -> _Source:
    beside = index.parent / "layout.json"
    if layout is None and beside.is_file():
        layout = str(beside)
    if layout is not None:
        found = read_layout(layout)
        origin = f"the layout ({found.layout.signature})"
    else:
        part, columns = _first_columns(index.parent, rows)
        found = LayoutFile(generic_layout(columns), {}, None)
        origin = f"{part}, the first array,"
    markers = {b.name: missing or found.missing.get(b.name, "none") for b in found.layout.blocks}
    divisors = _divisors(found.layout, found.frame_size)
    return _Source(index.parent, found.layout, origin, markers, found.frame_size, divisors)


def _first_columns(folder: Path, rows: list[IndexRow]) -> tuple[str, int]:
    """The first array that can be read and its values a frame."""
    parts = [part for row in rows for part in row.features]
    for part in parts:
        # What is wrong with the ones before is told, with its line, when all are checked.
        with suppress(ValueError):
            return part, read_array(folder, part).shape[1]
    return "", 1


def _one_rate(rows: list[IndexRow], fps: float | None, problems: Problems) -> float | None:
    """The corpus' frame rate: motion is measured per second, so it must be one."""
    first_with: dict[float | None, IndexRow] = {}
    for row in rows:
        first_with.setdefault(row.fps or fps, row)
    if len(first_with) < 2:
        return next(iter(first_with))
    if None in first_with:
        problems.add(
            first_with[None].line,
            "has no `fps`, but others have; add it, or give --fps for all that have none",
        )
        return None
    _, odd = list(first_with.values())[:2]
    rates = ", ".join(f"{rate:g}" for rate in first_with)
    problems.add(
        odd.line,
        f"frame rates differ ({rates} fps); a corpus has one: resample these sequences, "
        "or make a corpus of each",
    )
    return None


def _check_row(row: IndexRow, source: _Source, survey: PrecisionSurvey, problems: Problems) -> None:
    try:
        sequence = _read(row, source)
    except ValueError as error:
        problems.add(row.line, f"{row.id}: {error}")
        return
    frames = len(sequence.features)
    # Annotations often count the last frame in; one frame over is cut off, more is a mistake.
    beyond = [s for s in row.segments if s.start >= frames or s.end > frames + 1]
    if beyond:
        problems.add(
            row.line,
            f"{row.id}: segment {list(beyond[0])} ends after the last of {frames} frames",
        )
    survey.add(sequence.features, sequence.presence)


def _read(row: IndexRow, source: _Source) -> Sequence:
    """One sequence, with absent blocks found and set to 0. ValueError says what is wrong."""
    parts = [_read_part(name, source) for name in row.features]
    features = np.concatenate(parts)
    presence = np.ones((len(features), len(source.layout.blocks)), bool)
    for index, (name, columns) in enumerate(source.layout.slices.items()):
        block = features[:, columns]
        if source.missing[name] == "zeros":
            presence[:, index] = (block != 0).any(axis=1)
        elif source.missing[name] == "nan":
            presence[:, index] = ~np.isnan(block).any(axis=1)
        block[~presence[:, index]] = 0
        _check_finite(block, name, source.missing[name])
    features /= source.divisors
    segments = [segment._replace(end=min(segment.end, len(features))) for segment in row.segments]
    return Sequence(
        row.id, row.split, row.signer, features, presence, row.labels, segments, row.text
    )


def _read_part(name: str, source: _Source) -> np.ndarray:
    part = read_array(source.folder, name)
    if part.shape[1] != source.layout.columns:
        raise ValueError(
            f"{name} has {part.shape[1]} columns, but {source.origin} has "
            f"{source.layout.columns}; give the layout of these arrays with --layout"
        )
    with np.errstate(over="ignore"):
        single = part.astype(np.float32)
    if not np.array_equal(np.isinf(single), np.isinf(part)):
        raise ValueError(f"{name} has values up to {np.abs(part).max():g}, beyond float32")
    return single


def _check_finite(block: np.ndarray, name: str, marker: str) -> None:
    bad = ~np.isfinite(block)
    if not bad.any():
        return
    frame, column = (int(i) for i in np.argwhere(bad)[0])
    hint = ", or, where NaN marks an absent block, use --missing nan" if marker != "nan" else ""
    raise ValueError(
        f"{int(bad.sum())} values are NaN or infinite, the first in frame {frame}, "
        f"block {name}, its column {column}; repair or leave out this sequence{hint}"
    )


def _divisors(layout: Layout, frame_size: tuple[float, float] | None) -> np.ndarray:
    """[D] float32: the frame's size in the columns of coordinates, 1 elsewhere."""
    divisors = np.ones(layout.columns, np.float32)
    width, height = frame_size or (1.0, 1.0)
    # z is in units of the width, as MediaPipe has it.
    size = {"x": width, "y": height, "z": width}
    for block in layout.blocks:
        axes = [size.get(axis, 1.0) for axis in block.axes]
        divisors[layout.slices[block.name]] = np.tile(axes, len(block.points))
    return divisors


def _stored_layout(source: _Source) -> Layout:
    if source.frame_size is None:
        return source.layout
    return replace(source.layout, units="fraction of the frame's width and height")
