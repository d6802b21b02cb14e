"""What the importers of RWTH-PHOENIX-Weather share: annotations of a release, landmarks beside."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.annotations import Annotation, read_annotations
from slr_accel.importers.arrays import only_array, read_array, read_samples
from slr_accel.importers.block_order import in_order
from slr_accel.importers.feature_files import FeatureFiles
from slr_accel.importers.holistic_arrays import (
    BLOCK_ORDER,
    LAYOUT,
    Arrangement,
    find_arrangement,
)
from slr_accel.importers.listing import Item, Listing, Problems
from slr_accel.importers.presence import take_presence
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.layout_form import MISSING_MARKERS

SPLITS = ("train", "dev", "test")
ANNOTATIONS = Path("annotations", "manual")
FRAMES_PER_SECOND = 25.0

FEATURES_HELP = """\
Landmarks are arrays [frames, values] in FEATURES/SPLIT/ID.npy or .npz, of MediaPipe Holistic: 1629
base values (33 pose, 468 face, 21 + 21 hand points, each x, y, z), or 6516, four groups of them, of
which the positions are kept: training computes the others. An .npz holds one array, or one named
`features`. The order of the blocks is checked: hands must be where the pose has its wrists.
"""


@dataclass(frozen=True)
class Release:
    """What is known of a release: where its files are, what they hold."""

    importer: str
    files: Mapping[str, Path]
    """{split: annotation file}"""
    columns: Mapping[str, str]
    """The files' names for id, signer, labels and text."""
    sequences: Mapping[str, int]
    """{split: annotations in the release}"""
    broken: Mapping[str, str]
    """{id: why this sequence is left out}"""
    source: Mapping[str, str]
    """What else to record: which part of the release it is."""


def add_feature_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--features", required=True, type=Path, help="folder of arrays")
    parser.add_argument(
        "--block_order",
        default=",".join(BLOCK_ORDER),
        help=f"order of the blocks in the arrays' columns [{','.join(BLOCK_ORDER)}]",
    )
    parser.add_argument(
        "--missing",
        choices=MISSING_MARKERS,
        default="zeros",
        help="how a frame marks that a block was not detected; one NaN is enough for nan [zeros]",
    )


def annotation_files(release: Path, folder: str, file_name: str) -> dict[str, Path] | None:
    """{split: annotation file} in `release` or its folder; None where none of them is there."""
    for root in (release, release / folder):
        files = {split: root / ANNOTATIONS / file_name.format(split=split) for split in SPLITS}
        if any(path.is_file() for path in files.values()):
            return files
    return None


def no_annotations(release: Path, looked_for: list[tuple[str, str]]) -> str:
    """Says that `annotation_files` has found none for these folders and file names."""
    names = [
        f"{Path(folder) / ANNOTATIONS / name.format(split='train')}" for folder, name in looked_for
    ]
    return (
        f"{release}: holds no annotations; give the folder with {' or '.join(names)} in it, or "
        f"the one with {ANNOTATIONS}"
    )


def list_release(release: Release, features: Path, block_order: str, missing: str) -> Listing:
    """The annotated sequences of a release, with their landmarks.

    Args:
        block_order: the four blocks in the order of the arrays' columns, with commas between.
        missing: how every block marks absence: zeros, nan or none.

    Raises:
        ValueError: the annotations or arrays cannot be read at all, or not as declared.
    """
    declared = in_order(LAYOUT, block_order.split(","))
    problems, notes = Problems(), []
    annotations: list[Annotation] = []
    for split in SPLITS:
        rows = read_annotations(release.files[split], split, release.columns, problems)
        if rows and len(rows) != release.sequences[split]:
            notes.append(
                f"{release.files[split]}: {len(rows):,} annotations; the release has "
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
        frames_per_second=FRAMES_PER_SECOND,
        items=[_item(row, arrays, arrangement, markers) for row in sound],
        source={
            **release.source,
            "missing": markers,
            "arrays": arrangement.to_json() if arrangement else None,
        },
        notes=notes,
        problems=problems,
        files=tuple(release.files.values()),
        root=features,
    )


def _look_into(
    annotations: list[Annotation], arrays: FeatureFiles, declared: Layout, problems: Problems
) -> Arrangement | None:
    """How the arrays are laid out, found on some of them; None where none can be read."""
    paths = [path for row in annotations if (path := arrays.find(row))]
    samples = read_samples(_read_array, paths)
    if not samples:
        return None
    try:
        return find_arrangement(samples, declared)
    except ValueError as error:
        # Without it no array can be read.
        problems.add(str(arrays.folder), str(error))
        problems.raise_if_any()
        return None


def _read_array(path: Path) -> np.ndarray:
    return read_array(path.parent, only_array(path))


def _item(
    row: Annotation,
    arrays: FeatureFiles,
    arrangement: Arrangement | None,
    missing: Mapping[str, str],
) -> Item:
    path = arrays.find(row)
    if path is None:
        return Item(row.id, row.where, partial(_refuse, arrays.missing(row)))
    return Item(row.id, row.where, partial(_read, row, path, arrangement, missing), (path,))


def _refuse(message: str) -> Sequence:
    raise ValueError(message)


def _read(
    row: Annotation, path: Path, arrangement: Arrangement | None, missing: Mapping[str, str]
) -> Sequence:
    """One sequence, with absent blocks found and set to 0. ValueError says what is wrong."""
    array = _read_array(path)
    if arrangement is None:
        raise ValueError(f"{path}: could not be read before; it changed meanwhile, start again")
    features = arrangement.base_values(array, str(path))
    presence = take_presence(features, LAYOUT, missing)
    return Sequence(row.id, row.split, row.signer, features, presence, row.labels, text=row.text)
