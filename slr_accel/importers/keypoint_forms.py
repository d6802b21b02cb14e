"""Knows the points of arrays by their shape: [T, 133, 3] is COCO-WholeBody, [T, 86, 2] Isharah."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from slr_accel.layouts.body_layouts import BODY_LAYOUTS
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.layouts.named_layouts import NAMED_LAYOUTS

VALUES = ("keypoints", "keypoint", "sign")
"""Keys of arrays in dictionaries of a sequence."""
SCORES = ("scores", "keypoint_score", "confidences", "confidence")
OF_POINTS = {
    (133, 3): "coco_wholebody",
    (86, 2): "isharah",
    (75, 3): "mediapipe_pose_hands",
    (75, 4): "mediapipe_pose_hands_all_confidence",
    (543, 2): "mediapipe_holistic_xy",
    (543, 3): "mediapipe_holistic",
    (543, 4): "mediapipe_holistic_all_confidence",
    (33, 3): "mediapipe_pose",
    (33, 4): "mediapipe_pose_confidence",
    (42, 3): "mediapipe_hands",
}
"""{(points, values a point): name of the layout}"""


def layout_of_width(width: int) -> str | None:
    """The name of the layout with this many values a frame, where there is one."""
    return next((name for name, make in NAMED_LAYOUTS.items() if make().columns == width), None)


def layout_of(array: np.ndarray) -> tuple[str | None, Layout]:
    """The layout of [T, points, axes] or [T, D] values, and its name where it has one.

    Raises:
        ValueError: no layout has this many points.
    """
    if array.ndim == 2:
        name = layout_of_width(array.shape[1])
        return name, NAMED_LAYOUTS[name]() if name else generic_layout(array.shape[1])
    shape = array.shape[1:]
    if shape == (133, 2):
        return "coco_wholebody", without_scores(NAMED_LAYOUTS["coco_wholebody"]())
    name = OF_POINTS.get(shape)
    if name is None:
        known = ", ".join(f"{points} x {axes}" for points, axes in OF_POINTS)
        raise ValueError(
            f"has {shape[0]} points with {shape[1]} values each; known are {known}. For others "
            "save each sequence as an .npy file [frames, values], and use `prepare manifest` with "
            "a layout.json"
        )
    return name, NAMED_LAYOUTS[name]()


def without_scores(layout: Layout) -> Layout:
    blocks = [
        Block(b.name, b.points, tuple(axis for axis in b.axes if axis != "confidence"))
        for b in layout.blocks
    ]
    return replace(layout, blocks=tuple(blocks))


def sequence_values(value: Any, person: int | None = None) -> np.ndarray:
    """The array of a sequence in a pickle: [T, points, axes], or [T, D].

    Args:
        value: an array, or a dictionary with an array, or with lists of [people, points, axes] a
            frame, and scores beside it.
        person: the number of the person, where there are several; None takes the best scored.

    Raises:
        ValueError: it is something else.
    """
    scores = None
    if isinstance(value, dict):
        scores = next((value[key] for key in SCORES if key in value), None)
        found = [value[key] for key in VALUES if key in value]
        if not found:
            raise ValueError(f"has no {', '.join(VALUES)}, but {', '.join(map(str, value))}"[:200])
        value = found[0]
    if isinstance(value, list):
        return _of_people(value, scores, person)
    array = _numbers(value)
    if scores is not None:
        array = np.concatenate([array, _numbers(scores).reshape(*array.shape[:-1], 1)], axis=-1)
    if array.ndim == 4 and 1 in (array.shape[0], array.shape[1]):
        array = array[0] if array.shape[0] == 1 else array[:, 0]
    if array.ndim not in (2, 3):
        raise ValueError(f"has shape {array.shape}; needed is [frames, points, axes]")
    return array


def _of_people(frames: list[Any], scores: Any, person: int | None) -> np.ndarray:
    """[T, points, axes] of lists of [people, points, axes]; NaN in frames without a person."""
    arrays = [_numbers(frame) for frame in frames]
    if scores is not None:
        if len(scores) != len(arrays):
            raise ValueError(f"has {len(arrays)} frames of points, but {len(scores)} of scores")
        pairs = zip(arrays, map(_numbers, scores), strict=True)
        arrays = [np.concatenate([a, s.reshape(*a.shape[:-1], 1)], axis=-1) for a, s in pairs]
    shape = next((array.shape[-2:] for array in arrays if array.size and array.ndim > 1), None)
    if shape is None:
        raise ValueError("has no frame with a person in it")
    chosen = [_one_person(array, shape, person) for array in arrays]
    return np.stack(chosen)


def _one_person(array: np.ndarray, shape: tuple[int, ...], person: int | None) -> np.ndarray:
    people = array.reshape(-1, *shape) if array.size else np.zeros((0, *shape), np.float32)
    number = person
    if number is None and len(people):
        number = int(np.argmax(people[..., -1].mean(axis=1))) if shape[-1] > 2 else 0
    if number is None or number >= len(people):
        return np.full(shape, np.nan, np.float32)
    return people[number]


def _numbers(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"holds {array.dtype}, not numbers")
    return array.astype(np.float32)


def default_missing(name: str | None, layout: Layout, least_score: float | None) -> str:
    """How sources of a layout usually mark a point that was not detected.

    Raises:
        ValueError: a least score is given, but not all points have one.
    """
    scored = all("confidence" in block.axes for block in layout.blocks)
    if least_score is not None and not scored:
        raise ValueError(
            f"--min_score: not all points of {layout.signature} have a score; leave it out"
        )
    if scored and name == "coco_wholebody":
        # COCO's extractors give every point a place: the score alone says whether it is there.
        return f"confidence < {0.3 if least_score is None else least_score:g}"
    if scored and least_score is not None:
        return f"confidence < {least_score:g}"
    # Sources that leave zeros may leave NaN, too.
    return "zeros,nan" if name in BODY_LAYOUTS or name in NAMED_LAYOUTS else "none"
