"""Lists the recordings of a source: pickles, OpenPose's folders of JSON, Kaggle's parquet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.importers import openpose_json
from slr_accel.importers.field_annotations import Annotation
from slr_accel.importers.field_pickles import annotation_rows
from slr_accel.importers.kaggle_parquet import read_kaggle, sequences_in
from slr_accel.importers.keypoint_forms import VALUES, sequence_values
from slr_accel.importers.listing import Problems
from slr_accel.importers.unpickling import GZIP, load_pickle

PICKLES = (".pkl", ".pickle", ".gz")
SHOWN = 3


@dataclass(frozen=True)
class Clip:
    """A recording that can be read."""

    name: str
    """As the source names it: the key of a dictionary, or a path below the source; with #ID behind
    it where the file holds several."""
    where: str
    read: Callable[[], np.ndarray]
    """[T, points, axes] or [T, D] float32."""
    files: tuple[Path, ...] = ()
    annotation: Annotation | None = None
    """What the source itself says about it."""


@dataclass(frozen=True)
class Source:
    kind: str
    """pickle, pickles, openpose or parquet"""
    clips: list[Clip]
    root: Path


def find_source(path: Path, problems: Problems, person: int | None = None) -> Source:
    """Lists what a file or folder holds.

    Args:
        person: the number of the person, where frames show several; None takes the best scored.

    Raises:
        ValueError: it holds nothing of these kinds.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    if path.is_file():
        if path.suffix.lower() == ".parquet":
            return _parquet(path.parent, [path])
        return Source("pickle", _of_pickle(path, load_pickle(path), person), path.parent)
    folders = openpose_json.recordings(path)
    if folders:
        return Source("openpose", _of_openpose(path, folders, person, problems), path)
    files = sorted(p for p in path.rglob("[!.]*") if p.suffix.lower() in PICKLES and p.is_file())
    if files:
        clips = [
            Clip(str(p.relative_to(path)), str(p), partial(_read_file, p, person), (p,))
            for p in files
        ]
        return Source("pickles", clips, path)
    parquet = sorted(path.rglob("[!.]*.parquet"))
    if parquet:
        return _parquet(path, parquet)
    raise ValueError(
        f"{path}: holds no pickles (.pkl), no folders of OpenPose's *_keypoints.json and no "
        ".parquet; `slr-accel prepare guess` says what it is"
    )


def is_pickle(path: Path) -> bool:
    """Whether the first bytes of a file are those of a pickle, which gzip may have packed."""
    with path.open("rb") as file:
        head = file.read(2)
    return head == GZIP or head[:1] == b"\x80" or path.suffix.lower() in PICKLES


def _parquet(root: Path, files: list[Path]) -> Source:
    clips = []
    for path in files:
        name = str(path.relative_to(root))
        # Reading a damaged file reports it.
        ids: list[str] = []
        with suppress(ValueError):
            ids = sequences_in(path)
        for id in (*ids, *([None] if not ids else [])):
            read = partial(read_kaggle, path, id)
            clips.append(Clip(f"{name}#{id}" if id else name, str(path), read, (path,)))
    return Source("parquet", clips, root)


def _of_openpose(
    root: Path, folders: list[Path], person: int | None, problems: Problems
) -> list[Clip]:
    clips, missing = [], []
    for folder in folders:
        files = openpose_json.frame_files(folder)
        missing += [f"{folder.name} {number}" for number in openpose_json.gaps(files)]
        name = folder.relative_to(root).as_posix() if folder != root else folder.name
        read = partial(openpose_json.read_recording, files, person)
        clips.append(Clip(name, str(folder), read, tuple(files.values())))
    if missing:
        problems.notes.append(
            f"{len(missing)} frames have no file, nothing is present in them: "
            f"{', '.join(missing[:SHOWN])}{', ...' if len(missing) > SHOWN else ''}"
        )
    return clips


def _read_file(path: Path, person: int | None) -> np.ndarray:
    return sequence_values(load_pickle(path), person)


def _of_pickle(path: Path, content: Any, person: int | None) -> list[Clip]:
    """The recordings of one pickle that holds all of them."""
    where = str(path)
    if isinstance(content, list) and content and _holds_values(content[0]):
        if not isinstance(content[0].get("name"), str):
            raise ValueError(f"{path}: its sequences have no `name`")
        content = {row.get("name"): row for row in content if isinstance(row, dict)}
    if isinstance(content, np.ndarray) or _holds_values(content):
        return [Clip(path.stem, where, partial(sequence_values, content, person), (path,))]
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f"{path}: holds {type(content).__name__}; needed is a dictionary of sequences, "
            "{name: {'keypoints': [frames, points, axes]}} or {name: array}"
        )
    rows = annotation_rows(content, where) or []
    annotations = {
        str(key): row for key, row in zip(content, rows, strict=False) if len(rows) == len(content)
    }
    return [
        Clip(
            str(key),
            f"{path}[{key!r}]",
            partial(sequence_values, value, person),
            (path,),
            annotations.get(str(key)),
        )
        for key, value in content.items()
    ]


def _holds_values(content: Any) -> bool:
    return isinstance(content, dict) and any(
        isinstance(content.get(key), np.ndarray | list) for key in VALUES
    )
