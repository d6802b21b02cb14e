"""Reads releases of RWTH-PHOENIX-Weather: their annotations, with landmarks beside them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.absence import add_missing, check_missing, fill_absent
from slr_accel.importers.annotations import read_annotations
from slr_accel.importers.arrays import only_array, read_array, read_samples
from slr_accel.importers.block_order import in_order
from slr_accel.importers.feature_files import FeatureFiles
from slr_accel.importers.holistic_arrays import LAYOUT, USUAL_ORDER, Arrangement, find_arrangement
from slr_accel.importers.index import IndexRow
from slr_accel.importers.listing import Item, Listing, Problems, check_fps
from slr_accel.importers.rates import add_fps, at_rate
from slr_accel.layouts.layout import Layout

SPLITS = ("train", "dev", "test")
ANNOTATIONS = Path("annotations", "manual")
FRAMES_PER_SECOND = 25.0

FEATURES_HELP = """\
Landmarks are arrays [frames, values] of MediaPipe Holistic in FEATURES/SPLIT/ID.npy or .npz: 1629
base values (33 pose, 468 face, 21 + 21 hand points, each x, y, z), or 6516, four groups of 1629, of
which the positions are stored: training computes the others. An .npz holds one array, or one named
`features`. The order of the blocks is checked: hands must be at the wrists of the pose.
"""


@dataclass(frozen=True)
class Release:
    """A release, or a part of one that is used by itself."""

    importer: str
    folder: str
    """The folder in the release that holds annotations/manual."""
    file_name: str
    """The annotation files' names, with {split}."""
    sequences: Mapping[str, int]
    """{split: how many annotations the release has}"""
    columns: Mapping[str, str]
    """The files' names for id, signer, labels and text."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """{id: why this sequence is left out}"""
    source: Mapping[str, str] = field(default_factory=dict)
    """What else the provenance records: which part of the release it is."""

    def files(self, root: Path) -> dict[str, Path] | None:
        """{split: annotation file} in `root` or its folder; None where none of them exists."""
        for parent in (root, root / self.folder):
            names = {split: self.file_name.format(split=split) for split in SPLITS}
            files = {split: parent / ANNOTATIONS / name for split, name in names.items()}
            if any(path.is_file() for path in files.values()):
                return files
        return None


def add_feature_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--release", required=True, type=Path, help="folder of the release")
    parser.add_argument("--features", required=True, type=Path, help="folder of arrays")
    parser.add_argument(
        "--block_order",
        default=USUAL_ORDER,
        help=f"order of the blocks in the arrays' columns [{USUAL_ORDER}]",
    )
    add_missing(parser, default="zeros")
    parser.set_defaults(missing="zeros")
    add_fps(parser)


def list_release(
    releases: list[Release],
    root: Path,
    features: Path,
    block_order: str,
    missing: str,
    fps: float | None = None,
) -> Listing:
    """Lists the annotated sequences of the first of some releases that `root` holds.

    Args:
        features: folder of the landmarks.
        block_order: the four blocks in the order of the arrays' columns, with commas between.
        missing: how every block marks absent points, one of MARKERS.
        fps: frames per second of the corpus, to which all is resampled; None leaves it.

    Raises:
        ValueError: the annotations or arrays cannot be read at all, or not as declared.
    """
    check_missing(missing)
    check_fps(fps)
    for release in releases:
        files = release.files(root)
        if files:
            return _list(release, files, features, block_order, missing, fps)
    names = [Path(r.folder, ANNOTATIONS, r.file_name.format(split="train")) for r in releases]
    raise ValueError(
        f"{root}: holds no annotations; give the folder with {' or '.join(map(str, names))} in it, "
        f"or the one with {ANNOTATIONS}"
    )


def _list(
    release: Release,
    files: dict[str, Path],
    features: Path,
    block_order: str,
    missing: str,
    fps: float | None,
) -> Listing:
    declared = in_order(LAYOUT, block_order.split(","))
    problems, notes = Problems(), []
    annotations: list[IndexRow] = []
    for split in SPLITS:
        rows = read_annotations(files[split], split, release.columns, problems)
        if rows and len(rows) != release.sequences[split]:
            notes.append(
                f"{files[split]}: {len(rows):,} annotations; the release has "
                f"{release.sequences[split]:,}"
            )
        annotations += rows
    arrays = FeatureFiles(features, SPLITS)
    arrays.check(annotations, problems)
    for row in annotations:
        if row.id in release.broken:
            notes.append(f"{row.where}: {row.id} is left out: {release.broken[row.id]}")
    sound = [row for row in annotations if row.id not in release.broken]
    notes += arrays.notes(sound, {row.id for row in annotations})
    arrangement = _look_into(sound, arrays, declared, problems)
    if arrangement is not None:
        notes += [f"{features}: {text}" for text in arrangement.notes()]
    markers = dict.fromkeys(LAYOUT.slices, missing)
    return Listing(
        importer=release.importer,
        layout=LAYOUT,
        frames_per_second=fps or FRAMES_PER_SECOND,
        items=[
            Item(
                row.id,
                row.where,
                partial(_read, row, arrays, arrangement, markers, fps),
                tuple(filter(None, [arrays.find(row)])),
            )
            for row in sound
        ],
        source={
            **release.source,
            "missing": markers,
            "arrays": arrangement.to_json() if arrangement else None,
        },
        absence_by_marker=True,
        notes=notes,
        problems=problems,
        files=tuple(files.values()),
        root=features,
    )


def _look_into(
    annotations: list[IndexRow], arrays: FeatureFiles, declared: Layout, problems: Problems
) -> Arrangement | None:
    """Finds out on some arrays how they are laid out; None where none can be read."""
    paths = [path for row in annotations if (path := arrays.find(row))]
    samples = read_samples(_read_array, paths)
    if not samples:
        return None
    try:
        return find_arrangement(samples, declared)
    except ValueError as error:
        problems.add(str(arrays.folder), str(error))
        problems.raise_if_any()  # no array can be read
        return None


def _read_array(path: Path) -> np.ndarray:
    return read_array(path.parent, only_array(path))


def _read(
    row: IndexRow,
    arrays: FeatureFiles,
    arrangement: Arrangement | None,
    missing: Mapping[str, str],
    fps: float | None,
) -> Sequence:
    """One sequence, with absent blocks found and set to 0. ValueError says what is wrong."""
    path = arrays.find(row)
    if path is None:
        raise ValueError(arrays.missing(row))
    array = _read_array(path)
    assert arrangement is not None, "it is None where no array can be read"
    features = arrangement.base_values(array, str(path))
    presence, seen = fill_absent(features, LAYOUT, missing)
    sequence = row.sequence(features, presence, seen=seen)
    return at_rate(sequence, LAYOUT, FRAMES_PER_SECOND, fps)
