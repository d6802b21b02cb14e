"""`slr-accel prepare manifest`: arrays named by an index become a corpus. The road for own data.

Two passes over the arrays: the first checks every one and finds the smallest dtype that loses
nothing that matters, the second writes. So all problems are seen at once, before anything is
written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from slr_accel.corpus.format import CorpusInfo, sha256
from slr_accel.corpus.importers.arrays import read_array
from slr_accel.corpus.importers.index import IndexRow, Problems, read_index
from slr_accel.corpus.layout import Layout, LayoutFile, generic_layout, read_layout
from slr_accel.corpus.precision import PrecisionSurvey
from slr_accel.corpus.record import Sequence
from slr_accel.corpus.writer import check_new_folder, write_corpus

Progress = Callable[[Iterable[IndexRow], str, int], Iterable[IndexRow]]


@dataclass(frozen=True)
class _Source:
    folder: Path
    layout: Layout
    missing: dict[str, str]
    frame_size: tuple[float, float] | None


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
        fps: frames per second where the rows do not say.
        track: wraps an iterable to show progress.

    Raises:
        ValueError: with every problem found and its line; nothing is written then.
    """
    check_new_folder(out)
    problems = Problems(index)
    rows = read_index(index, problems)
    problems.raise_if_any()
    source = _find_layout(index, rows, layout, missing)
    frames_per_second = _one_rate(rows, fps, problems)
    survey = PrecisionSurvey(source.layout)
    for row in track(rows, "checking", len(rows)):
        _check_row(row, source, survey, problems)
    problems.raise_if_any()
    files = sorted({part.partition("#")[0] for row in rows for part in row.features})
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
            "files": {name: (index.parent / name).stat().st_size for name in files},
            "missing": source.missing,
            "divided_by_frame_size": source.frame_size,
        },
    )


def _find_layout(
    index: Path, rows: list[IndexRow], layout: str | None, missing: str | None
) -> _Source:
    beside = index.parent / "layout.json"
    if layout is None and beside.is_file():
        layout = str(beside)
    if layout is not None:
        found = read_layout(layout)
    else:
        first = read_array(index.parent, rows[0].features[0])
        found = LayoutFile(generic_layout(first.shape[1]), {}, None)
    markers = {b.name: missing or found.missing.get(b.name, "none") for b in found.layout.blocks}
    return _Source(index.parent, found.layout, markers, found.frame_size)


def _one_rate(rows: list[IndexRow], fps: float | None, problems: Problems) -> float | None:
    """The corpus' frame rate: motion is measured per second, so it must be one."""
    rates = sorted({row.fps for row in rows if row.fps is not None} | ({fps} if fps else set()))
    if len(rates) > 1:
        other = next(row for row in rows if row.fps is not None and row.fps != rates[0])
        problems.add(
            other.line,
            f"frame rates differ ({', '.join(f'{rate:g}' for rate in rates)} fps); a corpus has "
            "one: resample these sequences, or make a corpus of each",
        )
    return rates[0] if rates else None


def _check_row(row: IndexRow, source: _Source, survey: PrecisionSurvey, problems: Problems) -> None:
    try:
        sequence = _read(row, source)
    except ValueError as error:
        problems.add(row.line, f"{row.id}: {error}")
        return
    frames = len(sequence.features)
    beyond = [s for s in sequence.segments if s.end > frames + 1]
    if beyond:
        problems.add(
            row.line,
            f"{row.id}: segment {list(beyond[0])} ends after the last of {frames} frames",
        )
    survey.add(sequence.features, sequence.presence)


def _read(row: IndexRow, source: _Source) -> Sequence:
    """One sequence, with absent blocks found and set to 0. ValueError says what is wrong."""
    parts = [_read_part(name, source) for name in row.features]
    features = np.concatenate([part.astype(np.float32) for part in parts])
    presence = np.ones((len(features), len(source.layout.blocks)), bool)
    for index, (name, columns) in enumerate(source.layout.slices.items()):
        block = features[:, columns]
        if source.missing[name] == "zeros":
            presence[:, index] = (block != 0).any(axis=1)
        elif source.missing[name] == "nan":
            presence[:, index] = ~np.isnan(block).any(axis=1)
        block[~presence[:, index]] = 0
        _check_finite(block, name, source.missing[name])
    if source.frame_size:
        _divide_by_frame_size(features, source)
    segments = [segment._replace(end=min(segment.end, len(features))) for segment in row.segments]
    return Sequence(
        row.id, row.split, row.signer, features, presence, row.labels, segments, row.text
    )


def _read_part(name: str, source: _Source) -> np.ndarray:
    part = read_array(source.folder, name)
    if part.shape[1] != source.layout.columns:
        raise ValueError(
            f"{name} has {part.shape[1]} columns, but the layout ({source.layout.signature}) "
            f"has {source.layout.columns}; give the right one with --layout"
        )
    return part


def _check_finite(block: np.ndarray, name: str, marker: str) -> None:
    bad = ~np.isfinite(block)
    if not bad.any():
        return
    frame, column = (int(i) for i in np.argwhere(bad)[0])
    hint = "; if NaN marks an absent block, use --missing nan" if marker != "nan" else ""
    raise ValueError(
        f"{int(bad.sum())} values are NaN or infinite, the first in frame {frame}, "
        f"block {name}, its column {column}{hint}"
    )


def _axis_divisors(source: _Source) -> Iterator[tuple[int, float]]:
    width, height = source.frame_size or (1.0, 1.0)
    # z is in units of the width, as MediaPipe has it.
    size = {"x": width, "y": height, "z": width}
    for block in source.layout.blocks:
        for point in block.points:
            for axis in block.coordinates:
                column = source.layout.point_columns(f"{block.name}.{point}", (axis,))[0]
                yield column, size[axis]


def _divide_by_frame_size(features: np.ndarray, source: _Source) -> None:
    for column, size in _axis_divisors(source):
        features[:, column] /= size


def _stored_layout(source: _Source) -> Layout:
    if source.frame_size is None:
        return source.layout
    return replace(source.layout, units="fraction of the frame's width and height")
