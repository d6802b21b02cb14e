"""Reads OpenPose's JSON: a folder a recording, a file NAME_000000000012_keypoints.json a frame."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.layouts.body_layouts import openpose_body25

FRAME = re.compile(r"(?:.*[_-])?(\d+)_keypoints\.json", re.IGNORECASE)
KEYS = {
    "pose": "pose_keypoints_2d",
    "face": "face_keypoints_2d",
    "left_hand": "hand_left_keypoints_2d",
    "right_hand": "hand_right_keypoints_2d",
}
LAYOUT = openpose_body25()
SHOWN = 3


def frame_files(folder: Path) -> dict[int, Path]:
    """{frame number: file} of a recording's folder, in the order of the numbers."""
    found = {int(m[1]): path for path in folder.iterdir() if (m := FRAME.fullmatch(path.name))}
    return dict(sorted(found.items()))


def recordings(folder: Path) -> list[Path]:
    """All folders, this one or below it, that hold files of frames."""
    found = {path.parent for path in folder.rglob("*_keypoints.json")}
    return sorted(path for path in found if frame_files(path))


def gaps(files: dict[int, Path]) -> list[int]:
    """The numbers between the first and the last frame that have no file."""
    return sorted(set(range(min(files), max(files) + 1)) - set(files))


def read_recording(files: dict[int, Path], person: int | None = None) -> np.ndarray:
    """[T, D] in the columns of LAYOUT, 0 for a point, a person or a file that is not there.

    Args:
        person: the number of the person in each file; None takes the one with the highest scores.

    Raises:
        ValueError: says what is wrong with a file.
    """
    first = min(files)
    values = np.zeros((max(files) - first + 1, LAYOUT.columns), np.float32)
    if len(values) > 2 * len(files):
        raise ValueError(
            f"has {len(files)} files of frames, numbered from {first} to {max(files)}: more than "
            "half are missing; number them 0, 1, 2, ..."
        )
    for number, path in files.items():
        people = [_person(path, data) for data in _people(path)]
        if person is None and people:
            values[number - first] = max(people, key=lambda row: float(row[2::3].sum()))
        elif person is not None and person < len(people):
            values[number - first] = people[person]
    return values


def _people(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not readable as JSON ({error})") from None
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list) or not all(isinstance(data, dict) for data in people):
        raise ValueError(f"{path.name} has no list `people`, as OpenPose writes it")
    return people


def _person(path: Path, data: dict[str, Any]) -> np.ndarray:
    """[D] of one person; a part that was not asked of OpenPose is 0."""
    row = np.zeros(LAYOUT.columns, np.float32)
    for block in LAYOUT.blocks:
        key = KEYS[block.name]
        numbers = data.get(key) or []
        if numbers and len(numbers) != block.columns:
            raise ValueError(
                f"{path.name}: {key} has {len(numbers)} numbers, not the {block.columns} of "
                f"{len(block.points)} points x (x, y, score)"
                + ("; run OpenPose with --model_pose BODY_25" if block.name == "pose" else "")
            )
        if numbers:
            try:
                row[LAYOUT.slices[block.name]] = np.array(numbers, np.float32)
            except (ValueError, TypeError, OverflowError):
                raise ValueError(f"{path.name}: {key} holds something that is no number") from None
    return row
