"""Layouts of other extractors have each point at its place, and a mirror image where they can."""

import pytest

from slr_accel.layouts.body_layouts import FACE_68
from slr_accel.layouts.mirror import mirror_of, other_side
from slr_accel.layouts.named_layouts import NAMED_LAYOUTS

WIDTHS = {
    "coco_wholebody": 399,
    "openpose_body25": 411,
    "isharah": 172,
    "mediapipe_pose_hands": 225,
    "mediapipe_pose_hands_confidence": 258,
    "mediapipe_pose": 99,
    "mediapipe_pose_confidence": 132,
    "mediapipe_hands": 126,
    "mediapipe_holistic_xy": 1086,
    "mediapipe_holistic_all_confidence": 2172,
}
PLACES = {
    # https://github.com/jin-s13/COCO-WholeBody: numbers of the 133 points.
    ("coco_wholebody", "pose.left_shoulder"): 5,
    ("coco_wholebody", "pose.right_wrist"): 10,
    ("coco_wholebody", "pose.left_heel"): 19,
    ("coco_wholebody", "pose.right_big_toe"): 20,
    ("coco_wholebody", "face.right_jaw_1"): 23,
    ("coco_wholebody", "face.nose"): 23 + 30,
    ("coco_wholebody", "face.left_lip_1"): 23 + 54,
    ("coco_wholebody", "left_hand.wrist"): 91,
    ("coco_wholebody", "left_hand.pinky_tip"): 111,
    ("coco_wholebody", "right_hand.thumb_cmc"): 113,
    # https://cmu-perceptual-computing-lab.github.io/openpose: BODY_25, then face and hands.
    ("openpose_body25", "pose.neck"): 1,
    ("openpose_body25", "pose.right_wrist"): 4,
    ("openpose_body25", "pose.left_hip"): 12,
    ("openpose_body25", "pose.right_eye"): 15,
    ("openpose_body25", "pose.left_big_toe"): 19,
    ("openpose_body25", "pose.right_heel"): 24,
    ("openpose_body25", "face.left_pupil"): 25 + 69,
    ("openpose_body25", "right_hand.wrist"): 25 + 70 + 21,
    ("isharah", "left_hand.wrist"): 21,
    ("isharah", "face.point_61"): 42 + 5,
    ("isharah", "pose.right_hip"): 61 + 24,
}


@pytest.mark.parametrize("name", WIDTHS)
def test_a_frame_has_as_many_values_as_the_extractor_writes(name):
    assert NAMED_LAYOUTS[name]().columns == WIDTHS[name]


@pytest.mark.parametrize(("name", "point"), PLACES)
def test_a_point_is_where_the_extractor_has_it(name, point):
    layout = NAMED_LAYOUTS[name]()
    axes = layout.blocks[0].axes
    assert layout.point_columns(point, ("x",)) == [PLACES[name, point] * len(axes)]


@pytest.mark.parametrize("name", ["coco_wholebody", "openpose_body25", "mediapipe_pose_hands"])
def test_left_and_right_change_places_and_back(name):
    layout = NAMED_LAYOUTS[name]()
    mirror = mirror_of(layout)
    assert [mirror.columns[c] for c in mirror.columns] == list(range(layout.columns))
    [own] = layout.point_columns("pose.left_wrist", ("x",))
    assert [mirror.columns[own]] == layout.point_columns("pose.right_wrist", ("x",))


def test_the_middle_of_the_face_is_its_own_mirror_image():
    middle = [i for i, name in enumerate(FACE_68) if other_side(name) == name]
    assert middle == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
