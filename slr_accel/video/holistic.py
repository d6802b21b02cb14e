"""Finds landmarks in frames with MediaPipe Holistic."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np

from slr_accel.errors import RunError
from slr_accel.layouts.layout import Block
from slr_accel.optional_packages import how_to_install
from slr_accel.video.frames import Frame
from slr_accel.video.landmarks import STORED_LAYOUT, Extractor, Landmarks

SETTINGS: dict[str, Any] = {
    # The wheel has the weights of this one alone; 0 and 2 would be downloaded.
    "model_complexity": 1,
    "smooth_landmarks": True,
    # Iris points would make 478 of the face's 468.
    "refine_face_landmarks": False,
    "min_detection_confidence": 0.5,
    "min_tracking_confidence": 0.5,
}


def holistic() -> Extractor:
    """The extractor that `prepare video` uses.

    Raises:
        ValueError: the packages of the extra `video` are not installed.
    """
    try:
        versions = {name: version(name) for name in ("mediapipe", "av", "pillow")}
    except PackageNotFoundError as error:
        raise ValueError(
            f"{error.name} is not installed; videos need the extra `video`: "
            f"{how_to_install('video')}, best in an environment of its own (mediapipe needs "
            "numpy 1.26)"
        ) from None
    settings = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
    return Extractor(find_landmarks, {**versions, "holistic": settings})


def find_landmarks(frames: Iterable[Frame]) -> Landmarks:
    """Finds the landmarks of one video's frames.

    Holistic tracks a person from frame to frame and smooths over time. Each call makes a new one,
    so that the result depends on these frames only.

    Raises:
        ValueError: `frames` raises it, or MediaPipe fails.
        RunError: MediaPipe cannot be loaded.
    """
    times: list[float] = []
    rows: list[LandmarkFrame] = []
    for frame in landmarks_by_frame(frames):
        times.append(frame.time)
        rows.append(frame)
    presence = np.array([row.presence for row in rows], bool)
    features = np.array([row.features for row in rows], np.float32)
    features = features.reshape(len(rows), STORED_LAYOUT.columns)
    size = rows[-1].size if rows else (1, 1)
    return Landmarks(np.array(times, np.float64), features, presence, np.array(size, np.float64))


class LandmarkFrame(NamedTuple):
    time: float
    features: np.ndarray
    """[D] float32 in the columns of STORED_LAYOUT; 0 where a block is absent."""
    presence: np.ndarray
    """[blocks] bool."""
    size: tuple[int, int]
    """Width and height of the frame in pixels."""


def landmarks_by_frame(frames: Iterable[Frame]) -> Iterator[LandmarkFrame]:
    """Finds landmarks frame by frame, as frames come; raises as `find_landmarks`.

    Standard error is silent until the end.
    """
    with _quiet():
        try:
            from mediapipe.python.solutions.holistic import Holistic
        except ImportError as error:
            raise RunError(
                f"mediapipe does not load ({error}); Debian and Ubuntu need libgl1 and "
                "libglib2.0-0: apt-get install libgl1 libglib2.0-0"
            ) from None
        with Holistic(**SETTINGS) as model:
            for number, (time, image) in enumerate(frames):
                try:
                    found = model.process(image)
                except RuntimeError as error:
                    raise ValueError(f"MediaPipe fails in frame {number}: {error}") from None
                row = [_values(found, block) for block in STORED_LAYOUT.blocks]
                features = np.zeros(STORED_LAYOUT.columns, np.float32)
                for columns, values in zip(STORED_LAYOUT.slices.values(), row, strict=True):
                    if values is not None:
                        features[columns] = values
                presence = np.array([values is not None for values in row])
                yield LandmarkFrame(time, features, presence, (image.shape[1], image.shape[0]))


def _values(found: Any, block: Block) -> np.ndarray | None:
    """A block's values [columns] float32 in its column order; None where it was not found.

    Holistic's left hand is the signer's left hand, at the left wrist of the pose.
    """
    landmarks = getattr(found, f"{block.name}_landmarks")
    if landmarks is None:
        return None
    attributes = ["visibility" if axis == "confidence" else axis for axis in block.axes]
    values = [getattr(point, name) for point in landmarks.landmark for name in attributes]
    if len(values) != block.columns:
        raise ValueError(
            f"MediaPipe gives {len(landmarks.landmark)} {block.name} points, not "
            f"{len(block.points)}; install the version that the extra `video` names"
        )
    return np.array(values, np.float32)  # Python numbers would take 72 kB a frame


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences standard error, where MediaPipe's C++ code prints warnings that no option stops."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
