"""Makes the layouts that are known by name, and reads those in a `layout.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from slr_accel.layouts.body_layouts import BODY_LAYOUTS
from slr_accel.layouts.face_mesh import FACE_POINTS
from slr_accel.layouts.layout import COORDINATES, Block, Layout
from slr_accel.layouts.layout_form import read_form
from slr_accel.layouts.points import HAND_POINTS, POSE_POINTS
from slr_accel.layouts.units import FRACTION


def mediapipe_holistic(confidence: bool = False) -> Layout:
    """MediaPipe Holistic, 33 pose + 21 + 21 hand + 468 face points x (x, y, z) = 1,629 values.

    Point names follow MediaPipe's documentation; of the face only the nose tip (1) has a name.

    Args:
        confidence: pose points have MediaPipe's visibility as a fourth axis, which makes 1,662
            values. Hands and face have none: they are found as a whole, or not.
    """
    shoulders = ("pose.left_shoulder", "pose.right_shoulder")
    pose_axes = (*COORDINATES, "confidence") if confidence else COORDINATES
    return Layout(
        (
            Block("pose", POSE_POINTS, pose_axes),
            Block("left_hand", HAND_POINTS, COORDINATES),
            Block("right_hand", HAND_POINTS, COORDINATES),
            Block("face", FACE_POINTS, COORDINATES),
        ),
        origin=shoulders,
        scale=shoulders,
        units=FRACTION,
    )


OPENPOSE_POSE_POINTS = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist"),
    *("left_shoulder", "left_elbow", "left_wrist"),
)


def openpose_upper_body() -> Layout:
    """OpenPose's upper body lifted to 3D: 8 pose + 21 + 21 hand points x (x, y, z) = 150 values.

    The order is that of the tool which made the PHOENIX-2014T skeletons: OpenPose's BODY_25 points
    0 to 7, its left and its right hand (github.com/gopeith/SignLanguageProcessing,
    wacv2020/pipeline_demo_01_json2h5.py). OpenPose's hands have MediaPipe's 21 points in its order.
    """
    shoulders = ("pose.left_shoulder", "pose.right_shoulder")
    return Layout(
        (
            Block("pose", OPENPOSE_POSE_POINTS, COORDINATES),
            Block("left_hand", HAND_POINTS, COORDINATES),
            Block("right_hand", HAND_POINTS, COORDINATES),
        ),
        origin=shoulders,
        scale=shoulders,
        units="three shoulder widths, from the neck",
    )


NAMED_LAYOUTS: dict[str, Callable[[], Layout]] = {
    "mediapipe_holistic": mediapipe_holistic,
    "mediapipe_holistic_confidence": partial(mediapipe_holistic, confidence=True),
    "openpose_upper_body": openpose_upper_body,
    **BODY_LAYOUTS,
}


@dataclass(frozen=True)
class LayoutFile:
    """A `layout.json`: the layout, and how each block of the source marks absence."""

    layout: Layout
    missing: dict[str, str]
    frame_size: tuple[float, float] | None
    """Width and height in pixels, where the file gives them: coordinates are divided by it."""
    block_order: tuple[str, ...] = ()
    """The blocks in the order of the arrays' columns, where it is not that of the layout."""


def read_layout(name_or_file: str) -> LayoutFile:
    """Finds a layout by its name, or reads a `layout.json`. Raises ValueError with the cure."""
    if name_or_file in NAMED_LAYOUTS:
        return LayoutFile(NAMED_LAYOUTS[name_or_file](), {}, None)
    path = Path(name_or_file)
    if not path.is_file():
        names = ", ".join(NAMED_LAYOUTS)
        raise ValueError(f"{name_or_file}: neither a known layout ({names}) nor a file")
    try:
        # utf-8-sig: editors on Windows begin a file with a byte order mark.
        form = read_form(json.loads(path.read_text(encoding="utf-8-sig")))
        layout = Layout.from_form(form)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text ({error}); save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: is not JSON ({error.msg} in line {error.lineno}, column {error.colno})"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except RecursionError:
        raise ValueError(f"{path}: is too deeply nested for a layout") from None
    missing = {b.name: b.missing for b in form.blocks}
    return LayoutFile(layout, missing, form.frame_size, tuple(form.block_order or ()))
