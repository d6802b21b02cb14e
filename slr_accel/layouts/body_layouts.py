"""Makes the layouts of other extractors and widths: COCO-WholeBody, OpenPose, parts of MediaPipe.

Point names say left and right of the person; hands of all have MediaPipe's 21 points in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from slr_accel.layouts.face_mesh import FACE_POINTS, LIP_POINTS
from slr_accel.layouts.layout import Block, Layout
from slr_accel.layouts.points import HAND_POINTS, POSE_POINTS

PLANAR = ("x", "y")
SCORED = ("x", "y", "confidence")
SHOULDERS = ("pose.left_shoulder", "pose.right_shoulder")
MEDIAPIPE_UNITS = "fraction of the frame's width and height"


def _by_side(text: str) -> tuple[str, ...]:
    """`SIDE_eye` stands for left_eye and right_eye, `EDIS_eye` for them the other way round."""
    names: list[str] = []
    for name in text.split():
        sides = ("right", "left") if name.startswith("EDIS") else ("left", "right")
        is_pair = name.startswith(("SIDE", "EDIS"))
        names += [f"{side}{name[4:]}" for side in sides] if is_pair else [name]
    return tuple(names)


COCO_BODY = _by_side(
    "nose SIDE_eye SIDE_ear SIDE_shoulder SIDE_elbow SIDE_wrist SIDE_hip SIDE_knee SIDE_ankle"
)
COCO_FEET = tuple(
    f"{side}_{point}" for side in ("left", "right") for point in ("big_toe", "small_toe", "heel")
)
_ARMS = tuple(
    f"{side}_{point}" for side in ("right", "left") for point in ("shoulder", "elbow", "wrist")
)
_LEGS = tuple(f"{side}_{point}" for side in ("right", "left") for point in ("hip", "knee", "ankle"))
BODY_25 = ("nose", "neck", *_ARMS, "mid_hip", *_LEGS, *_by_side("EDIS_eye EDIS_ear"), *COCO_FEET)
"""https://cmu-perceptual-computing-lab.github.io/openpose, output format BODY_25"""

_FACE_MIDDLE = {8: "chin", 27: "nose_bridge_1", 28: "nose_bridge_2", 29: "nose_bridge_3"}
_FACE_MIDDLE |= {30: "nose", 33: "nose_base", 51: "upper_lip", 57: "lower_lip"}
_FACE_MIDDLE |= {62: "upper_lip_inside", 66: "lower_lip_inside"}
_FACE_PARTS = {
    "jaw": [(i, 16 - i) for i in range(8)],
    "eyebrow": [(17 + i, 26 - i) for i in range(5)],
    "nostril": [(31, 35), (32, 34)],
    "eye": [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)],
    "lip": [(48, 54), (49, 53), (50, 52), (59, 55), (58, 56)],
    "lip_inside": [(60, 64), (61, 63), (67, 65)],
}
"""{part: (number of a point on the right, number of its mirror image)}"""


def _face_68() -> tuple[str, ...]:
    """The 68 points of iBUG, from the jaw on the person's right to the inside of the lips."""
    names = dict(_FACE_MIDDLE)
    for part, pairs in _FACE_PARTS.items():
        for number, (right, left) in enumerate(pairs, 1):
            names |= {right: f"right_{part}_{number}", left: f"left_{part}_{number}"}
    return tuple(names[i] for i in range(len(names)))


FACE_68 = _face_68()


def coco_wholebody() -> Layout:
    """COCO-WholeBody, 133 points x (x, y, score) = 399 values.

    17 points of the body and 6 of the feet, 68 of the face, 21 of the left and 21 of the right
    hand (github.com/jin-s13/COCO-WholeBody).
    """
    return _planar(
        Block("pose", (*COCO_BODY, *COCO_FEET), SCORED),
        Block("face", FACE_68, SCORED),
        Block("left_hand", HAND_POINTS, SCORED),
        Block("right_hand", HAND_POINTS, SCORED),
    )


def openpose_body25() -> Layout:
    """OpenPose's BODY_25, face 70, left and right hand 21 x (x, y, score) = 411 values."""
    return _planar(
        Block("pose", BODY_25, SCORED),
        Block("face", (*FACE_68, "right_pupil", "left_pupil"), SCORED),
        Block("left_hand", HAND_POINTS, SCORED),
        Block("right_hand", HAND_POINTS, SCORED),
    )


def isharah() -> Layout:
    """Isharah, 86 points x (x, y) = 172 values: right hand, left hand, 19 of the lips, 25 of pose.

    The points are MediaPipe's (github.com/gufranSabri/Pose86K-CSLR-Isharah).
    """
    return _planar(
        Block("right_hand", HAND_POINTS, PLANAR),
        Block("left_hand", HAND_POINTS, PLANAR),
        Block("face", LIP_POINTS, PLANAR),
        Block("pose", POSE_POINTS[:25], PLANAR),
    )


def _planar(*blocks: Block) -> Layout:
    return Layout(blocks, origin=SHOULDERS, scale=SHOULDERS, units="pixel")


def mediapipe_part(blocks: tuple[str, ...], pose_axes: str, axes: str) -> Layout:
    """Some blocks of MediaPipe Holistic.

    Args:
        blocks: some of pose, left_hand, right_hand, face.
        pose_axes: letters of the axes of the pose; c is the confidence.
        axes: letters of the axes of hands and face.
    """
    points = {"pose": POSE_POINTS, "face": FACE_POINTS}
    words = {"c": "confidence"}
    has_pose = SHOULDERS if "pose" in blocks else ()
    return Layout(
        tuple(
            Block(
                name,
                points.get(name, HAND_POINTS),
                tuple(words.get(a, a) for a in (pose_axes if name == "pose" else axes)),
            )
            for name in blocks
        ),
        origin=has_pose,
        scale=has_pose,
        units=MEDIAPIPE_UNITS,
    )


_HANDS = ("left_hand", "right_hand")
BODY_LAYOUTS: dict[str, Callable[[], Layout]] = {
    "coco_wholebody": coco_wholebody,
    "openpose_body25": openpose_body25,
    "isharah": isharah,
    "mediapipe_pose_hands": partial(mediapipe_part, ("pose", *_HANDS), "xyz", "xyz"),
    "mediapipe_pose_hands_confidence": partial(mediapipe_part, ("pose", *_HANDS), "xyzc", "xyz"),
    "mediapipe_pose": partial(mediapipe_part, ("pose",), "xyz", "xyz"),
    "mediapipe_pose_confidence": partial(mediapipe_part, ("pose",), "xyzc", "xyz"),
    "mediapipe_hands": partial(mediapipe_part, _HANDS, "xyz", "xyz"),
    "mediapipe_holistic_xy": partial(mediapipe_part, ("pose", *_HANDS, "face"), "xy", "xy"),
    "mediapipe_holistic_all_confidence": partial(
        mediapipe_part, ("pose", *_HANDS, "face"), "xyzc", "xyzc"
    ),
    "mediapipe_pose_hands_all_confidence": partial(
        mediapipe_part, ("pose", *_HANDS), "xyzc", "xyzc"
    ),
}
"""Widths: 399, 411, 172, 225, 258, 99, 132, 126, 1,086, 2,172 and 300 values a frame."""
