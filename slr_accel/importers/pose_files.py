"""Reads base values from .pose files of MediaPipe Holistic or OpenPose, by names in the header."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from slr_accel.importers.listing import MAX_FPS
from slr_accel.layouts.body_layouts import openpose_body25
from slr_accel.layouts.face_mesh import REFINED_FACE_POINTS
from slr_accel.layouts.layout import COORDINATES, Block, Layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.layouts.units import HEIGHT
from slr_accel.optional_packages import how_to_install

LAYOUT = replace(mediapipe_holistic(confidence=True), units=HEIGHT)
COMPONENTS = {
    "pose": "POSE_LANDMARKS",
    "left_hand": "LEFT_HAND_LANDMARKS",
    "right_hand": "RIGHT_HAND_LANDMARKS",
    "face": "FACE_LANDMARKS",
}
OPENPOSE = {
    "pose": "pose_keypoints_2d",
    "face": "face_keypoints_2d",
    "left_hand": "hand_left_keypoints_2d",
    "right_hand": "hand_right_keypoints_2d",
}
LARGEST_CONFIDENCE = 2.0
"""Resampling goes a little beyond 0 and 1; coordinates read as confidences go far beyond."""


SHIFTED = 5.0
"""A depth this far from 0, in the median, is moved: in widths of the frame none is as large."""


class Header(NamedTuple):
    fps: float
    is_refined: bool
    """Whether the face includes the irises."""
    layout: Layout | None
    """That of the file's components; None where reading the file says what is wrong with them."""


def pose_format() -> Any:
    """Imports the library. Raises ValueError that says how to install it."""
    try:
        return import_module("pose_format")
    except ImportError:
        raise ValueError(
            f"reading .pose files needs the package pose-format: {how_to_install('pose')}"
        ) from None


def read_header(path: Path) -> Header:
    """Reads what the listing needs. Raises ValueError that says what is wrong with the file."""
    pose = _open(path, only_header=True)
    faces = [c for c in pose.header.components if c.name == COMPONENTS["face"]]
    layout = None
    with suppress(ValueError):
        layout = layout_of(pose.header)
    is_refined = any(len(face.points) == REFINED_FACE_POINTS for face in faces)
    return Header(_checked_rate(pose), is_refined, layout)


def layout_of(header: Any) -> Layout:
    """The layout of a file: the axes of each component are the letters of its format.

    Raises:
        ValueError: a component has no x or y.
    """
    formats = {c.name: c.format.upper() for c in header.components}
    is_openpose = OPENPOSE["pose"] in formats
    whole = openpose_body25() if is_openpose else LAYOUT
    names = OPENPOSE if is_openpose else COMPONENTS
    blocks = []
    for block in whole.blocks:
        letters = formats.get(names[block.name], "XYZC")
        if not {"X", "Y"} <= set(letters):
            raise ValueError(f"{names[block.name]} has the format {letters}, without X and Y")
        axes = tuple(a for a in block.axes if a == "confidence" or a.upper() in letters)
        blocks.append(replace(block, axes=axes))
    return replace(whole, blocks=tuple(blocks), units=HEIGHT)


class Person(NamedTuple):
    """What a file says of the only person in it."""

    features: np.ndarray
    """[T, D] float32 in the columns of the layout; NaN where a point has no confidence."""
    fps: float
    frame_size: tuple[float, float]
    layout: Layout


def read_pose(path: Path) -> Person:
    """Reads the only person of a file.

    Raises:
        ValueError: says what is wrong with the file.
    """
    pose = _open(path)
    layout = layout_of(pose.header)
    columns = {block.name: _columns(pose.header, block) for block in layout.blocks}
    size = pose.header.dimensions
    frames, people = pose.body.data.shape[:2]
    if not frames:
        raise ValueError("has no frames")
    if people != 1:
        raise ValueError(f"holds {people} people; make a file of each, with one person in it")
    if not (size.width and size.height):
        raise ValueError(
            f"its header gives {size.width} x {size.height} pixels for the frame, which x and y "
            "are divided by; write the video's size to it"
        )
    points = _in_heights(_coordinates(pose), size)
    confidence = pose.body.confidence[:, 0]
    if not (np.abs(confidence) <= LARGEST_CONFIDENCE).all():
        raise ValueError("its confidences are not from 0 to 1: the file is damaged or cut off")
    bad = ~np.isfinite(points).all(axis=-1) & (confidence > 0)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} points with a confidence are NaN or infinite, the first in frame "
            f"{int(np.argwhere(bad)[0][0])}; repair or leave out this file"
        )
    points[confidence <= 0] = np.nan
    parts = []
    for block in layout.blocks:
        own = np.concatenate([points, confidence[..., None]], axis=-1)[:, columns[block.name]]
        axes = [(*COORDINATES, "confidence").index(axis) for axis in block.axes]
        parts.append(own[..., axes].reshape(frames, -1))
    frame_size = (float(size.width), float(size.height))
    return Person(np.concatenate(parts, axis=1), _checked_rate(pose), frame_size, layout)


def _coordinates(pose: Any) -> np.ndarray:
    """[T, points, (x, y, z)] of the only person; 0 for an axis that a component has not."""
    stored = pose.body.data.filled(0)[:, 0].astype(np.float32)
    points = np.zeros((*stored.shape[:2], 3), np.float32)
    start = 0
    for component in pose.header.components:
        own = slice(start, start + len(component.points))
        # The confidence, C, is stored apart from the others.
        letters = component.format.upper().replace("C", "")
        for axis, letter in enumerate("XYZ"):
            if letter in letters:
                points[:, own, axis] = stored[:, own, letters.index(letter)]
        start = own.stop
    return points


def _in_heights(points: np.ndarray, size: Any) -> np.ndarray:
    """Brings [T, points, (x, y, z)] to units of the frame's height; z is in widths.

    Some programs move all axes by half of a frame in pixels: z then keeps that shift.
    """
    depth = points[..., 2]
    middle = float(np.median(depth))
    shift = middle if abs(middle) > SHIFTED else 0.0
    depth = depth + (depth - shift) * np.float32(size.width / size.height - 1)
    return np.stack([points[..., 0] / size.height, points[..., 1] / size.height, depth], axis=-1)


def _open(path: Path, only_header: bool = False) -> Any:
    library = pose_format()
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        if only_header:
            with path.open("rb") as file:
                return library.Pose.read(file, library.pose_body.EmptyPoseBody)
        return library.Pose.read(path.read_bytes())
    # Damaged bytes raise many exceptions (struct.error, TypeError, EOFError, UnicodeDecodeError,
    # ...), which mean the same to a user.
    except Exception as error:
        raise ValueError(
            f"{path}: not readable as a .pose file; it is damaged or cut off ({error})"
        ) from None


def _checked_rate(pose: Any) -> float:
    fps = float(pose.body.fps)
    if not 0 < fps < MAX_FPS:
        raise ValueError(f"its header gives {fps:g} frames per second; write the video's to it")
    return fps


def _columns(header: Any, block: Block) -> list[int]:
    """The places, in the file, of a block's points in the block's order."""
    if OPENPOSE["pose"] in (component.name for component in header.components):
        return _openpose_columns(header, block)
    wanted_component = COMPONENTS[block.name]
    # The face's points are named by their numbers.
    numbers = [str(number) for number in range(len(block.points))]
    wanted = numbers if block.name == "face" else list(block.points)
    start = 0
    for component in header.components:
        if component.name == wanted_component:
            # INDEX_FINGER_MCP is our index_mcp.
            names = [name.lower().replace("_finger_", "_") for name in component.points]
            extra = REFINED_FACE_POINTS if block.name == "face" else len(wanted)
            if len(names) not in (len(wanted), extra) or not set(wanted) <= set(names):
                raise ValueError(
                    f"{wanted_component} has {len(names)} points; needed are the {len(wanted)} of "
                    "MediaPipe Holistic, by their names: write the file without reducing it"
                )
            return [start + names.index(name) for name in wanted]
        start += len(component.points)
    raise ValueError(
        f"has no {wanted_component}, only {', '.join(c.name for c in header.components)}; needed "
        "are all components of MediaPipe Holistic"
    )


def _openpose_columns(header: Any, block: Block) -> list[int]:
    """The places of a block's points, which OpenPose has in this order."""
    start = 0
    for component in header.components:
        if component.name == OPENPOSE[block.name]:
            if len(component.points) != len(block.points):
                raise ValueError(
                    f"{component.name} has {len(component.points)} points; needed are the "
                    f"{len(block.points)} of OpenPose's BODY_25, face and hands"
                )
            return list(range(start, start + len(block.points)))
        start += len(component.points)
    raise ValueError(f"has no {OPENPOSE[block.name]}, which OpenPose gives with --face --hand")
