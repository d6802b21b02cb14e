"""In a mirror left and right change places, point by point, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from slr_accel.layouts import face_mesh
from slr_accel.layouts.face_mesh import FACE_POINTS, MIRRORED, REDUCED
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.layouts.mirror import mirror_of, other_side
from slr_accel.layouts.named_layouts import mediapipe_holistic

# By the numbers of MediaPipe's documentation, not by names.
POSE_PAIRS = [
    *((1, 4), (2, 5), (3, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16), (17, 18), (19, 20)),
    *((21, 22), (23, 24), (25, 26), (27, 28), (29, 30), (31, 32)),
]
FACE_PAIRS = [(33, 263), (133, 362), (159, 386), (61, 291), (105, 334), (46, 276), (172, 397)]
FACE_MIDDLE = [10, 152, 1, 0, 17, 13, 14, 168]


def test_names_change_sides_and_words_that_contain_them_do_not() -> None:
    for name, other in {
        "left_hand": "right_hand",
        "mouth_left": "mouth_right",
        "right_eye_inner": "left_eye_inner",
        "LEFT_HIP": "RIGHT_HIP",
        "HandLeft": "HandRight",
        "shoulderLeft": "shoulderRight",
        "nose": "nose",
        "bright_spot": "bright_spot",
    }.items():
        assert other_side(name) == other
        assert other_side(other) == name


def test_every_value_of_holistic_comes_from_its_counterpart() -> None:
    pose = np.arange(33)
    for a, b in POSE_PAIRS:
        pose[[a, b]] = b, a
    face = [FACE_POINTS.index(MIRRORED[point]) for point in FACE_POINTS]
    starts = {"pose": 0, "left_hand": 33, "right_hand": 54, "face": 75}
    expected = np.concatenate(
        [
            starts["pose"] + pose,
            starts["right_hand"] + np.arange(21),
            starts["left_hand"] + np.arange(21),
            starts["face"] + np.array(face),
        ]
    )
    mirror = mirror_of(mediapipe_holistic())
    columns = np.array(mirror.columns).reshape(543, 3)
    np.testing.assert_array_equal(columns, 3 * expected[:, None] + np.arange(3))
    assert mirror.blocks == [0, 2, 1, 3]
    assert mirror.x_columns == list(range(0, 1629, 3))


def test_the_face_mesh_mirrors_known_points_and_whole_contours() -> None:
    number = {point: i for i, point in enumerate(FACE_POINTS)}
    mirrored = [number[MIRRORED[point]] for point in FACE_POINTS]
    assert sorted(mirrored) == list(range(468))
    assert [mirrored[i] for i in mirrored] == list(range(468))
    for a, b in FACE_PAIRS:
        assert mirrored[a] == b
    for i in FACE_MIDDLE:
        assert mirrored[i] == i
    assert {mirrored[i] for i in face_mesh._LEFT_EYE} == set(face_mesh._RIGHT_EYE)
    assert {mirrored[i] for i in face_mesh._LEFT_EYEBROW} == set(face_mesh._RIGHT_EYEBROW)
    for line in (face_mesh._OUTER_LIPS, face_mesh._INNER_LIPS, face_mesh._NOSE, face_mesh._OVAL):
        assert {mirrored[i] for i in line} == set(line)
    ring = [frozenset(pair) for pair in pairwise((*face_mesh._OVAL, face_mesh._OVAL[0]))]
    assert {frozenset(mirrored[i] for i in pair) for pair in ring} == set(ring)
    assert {MIRRORED[point] for point in REDUCED} == REDUCED and len(REDUCED) == 128


@pytest.mark.real_data
def test_real_faces_lie_on_their_mirror_image(shared_data: Path) -> None:
    """MP_Data: 33 x 4 pose values, then the face. Turned and scaled to fit, points lie nearer to
    their mirrored counterparts than to their own neighbours."""
    files = sorted((shared_data / "formats" / "mp_data").rglob("*.npy"))[::40]
    faces = [
        np.load(file, allow_pickle=False)[33 * 4 :][: 468 * 3].reshape(468, 3) for file in files
    ]
    faces = [face - face.mean(axis=0) for face in faces if face.any()]
    assert len(faces) > 5
    mirrored = [FACE_POINTS.index(MIRRORED[point]) for point in FACE_POINTS]
    for face in faces:
        image = face[mirrored] * (-1, 1, 1)
        left, sizes, right = np.linalg.svd(image.T @ face)
        fitted = image @ (left @ right) * sizes.sum() / (image**2).sum()
        spread = np.linalg.norm(face, axis=1).mean()
        assert np.linalg.norm(fitted - face, axis=1).mean() < 0.1 * spread


def test_what_has_no_mirror_image_is_refused_and_named() -> None:
    holistic = mediapipe_holistic()
    with pytest.raises(ValueError, match=r"no origin.*block 'features' has no x"):
        mirror_of(generic_layout(4))
    one_handed = replace(
        holistic, blocks=tuple(b for b in holistic.blocks if b.name != "left_hand")
    )
    with pytest.raises(ValueError, match="'right_hand' has no counterpart 'left_hand'"):
        mirror_of(one_handed)
    numbered = Block("face", tuple(str(i) for i in range(70)), ("x", "y"))
    with pytest.raises(ValueError, match="which points of block 'face' lie left"):
        mirror_of(replace(holistic, blocks=(*holistic.blocks[:3], numbered)))
    single = tuple(Block(n, ("centre",), ("x", "y")) for n in ("left_hand", "right_hand", "face"))
    assert mirror_of(Layout(single, origin=("face.centre",))).columns == [2, 3, 0, 1, 4, 5]


KINECT = ("SpineBase", "Neck", "Head", "ShoulderLeft", "HandLeft", "ShoulderRight", "HandRight")


def one_block(points: tuple[str, ...], scale: tuple[str, str], *more: Block) -> Layout:
    """A block `body`, measured from and in two of its points, and further blocks."""
    references = tuple(f"body.{point}" for point in scale)
    return Layout(
        (Block("body", points, ("x", "y")), *more), origin=references[:1], scale=references
    )


@pytest.mark.parametrize("scale", [("ShoulderLeft", "ShoulderRight"), ("SpineBase", "Neck")])
def test_names_as_kinect_has_them_change_places(scale: tuple[str, str]) -> None:
    columns = mirror_of(one_block(KINECT, scale)).columns[::2]
    assert [column // 2 for column in columns] == [0, 1, 2, 5, 6, 3, 4]


@pytest.mark.parametrize(
    ("points", "scale", "words"),
    [
        (("Neck", "LShoulder", "RShoulder"), ("LShoulder", "RShoulder"), "'LShoulder' and 'RSh"),
        (("Neck", "l_wrist", "r_wrist"), ("Neck", "l_wrist"), "'l_wrist' and 'r_wrist' apart"),
    ],
)
def test_sides_in_another_convention_are_refused_though_hands_change_places(
    points: tuple[str, ...], scale: tuple[str, str], words: str
) -> None:
    hands = [Block(name, ("wrist",), ("x", "y")) for name in ("left_hand", "right_hand")]
    with pytest.raises(ValueError, match=words):
        mirror_of(one_block(points, scale, *hands))


def test_a_layout_that_names_no_side_is_refused() -> None:
    with pytest.raises(ValueError, match="no block or point is named left or right"):
        mirror_of(one_block(("neck", "head"), ("neck", "head"), Block("hand", ("a",), ("x", "y"))))
    short = [Block(name, ("wrist",), ("x", "y")) for name in ("lh", "rh")]
    with pytest.raises(ValueError, match="the layout tells 'lh' and 'rh' apart by a letter"):
        mirror_of(one_block(("left_eye", "right_eye"), ("left_eye", "right_eye"), *short))


def test_a_hand_by_itself_and_a_body_measured_in_its_middle_have_a_mirror_image() -> None:
    assert mirror_of(one_block(("wrist", "thumb"), ("wrist", "thumb"))).columns == [0, 1, 2, 3]
    hands = [Block(name, ("wrist",), ("x", "y")) for name in ("left_hand", "right_hand")]
    middle = mirror_of(one_block(("nose", "neck", "pelvis"), ("neck", "pelvis"), *hands))
    assert middle.blocks == [0, 2, 1]
