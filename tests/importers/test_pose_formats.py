""".pose files of any component format, written by the pose-format library, give their own axes."""

from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import built, points_of

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.guess import guess
from slr_accel.importers.pose import list_pose_folder
from slr_accel.layouts.named_layouts import mediapipe_holistic

pytest.importorskip("pose_format", reason="the extra `pose` is not installed")

from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

LAYOUT = mediapipe_holistic()
MEDIAPIPE = {
    "pose": "POSE_LANDMARKS",
    "face": "FACE_LANDMARKS",
    "left_hand": "LEFT_HAND_LANDMARKS",
    "right_hand": "RIGHT_HAND_LANDMARKS",
}
OPENPOSE = {
    "pose_keypoints_2d": 25,
    "face_keypoints_2d": 70,
    "hand_left_keypoints_2d": 21,
    "hand_right_keypoints_2d": 21,
}
WIDTH, HEIGHT = 640, 480


def mediapipe_points() -> dict[str, list[str]]:
    def names(block: str) -> list[str]:
        points = LAYOUT.block(block).points
        if block == "face":
            return [str(i) for i in range(468)]
        if block == "pose":
            return [point.upper() for point in points]
        fingers = ("index", "middle", "ring")
        return [
            (p.replace("_", "_finger_") if p.startswith(fingers) else p).upper() for p in points
        ]

    return {component: names(block) for block, component in MEDIAPIPE.items()}


def write(
    path: Path, components: dict[str, list[str]], letters: str, fps: float = 25
) -> np.ndarray:
    """Writes 5 frames, and returns their data [5, points, axes without C]."""
    header = PoseHeader(
        0.2,
        PoseHeaderDimensions(WIDTH, HEIGHT, 0),
        [
            PoseHeaderComponent(name, points, [(0, 1)], [(255, 0, 0)], letters)
            for name, points in components.items()
        ],
    )
    count = sum(map(len, components.values()))
    data = np.random.default_rng(0).uniform(1, 400, (5, 1, count, len(letters) - 1))
    body = NumPyPoseBody(fps, np.ma.array(data.astype("f4")), np.ones((5, 1, count), "f4"))
    with path.open("wb") as file:
        Pose(header, body).write(file)
    return data[:, 0]


def prepare(folder: Path) -> Corpus:
    return built(list_pose_folder(folder), folder / "out" / "corpus")


@pytest.mark.parametrize("letters", ["XYZC", "XYC", "XYZKC", "XKYZC", "YXC"])
def test_axes_go_by_the_letters_of_the_format(tmp_path, letters):
    components = mediapipe_points()
    data = write(tmp_path / "a.pose", components, letters)
    corpus = prepare(tmp_path)
    start = 0
    for block, component in MEDIAPIPE.items():
        own = data[:, start : start + len(components[component])]
        start += len(components[component])
        found = points_of(corpus, 0, block)
        assert ("z" in corpus.layout.block(block).axes) == ("Z" in letters)
        for axis, letter in enumerate("XY"):
            expected = own[..., letters.index(letter)] / HEIGHT
            np.testing.assert_allclose(found[..., axis], expected, atol=2e-3)


def test_openpose_s_components_are_read_and_left_is_left(tmp_path):
    components = {name: [f"P{i}" for i in range(n)] for name, n in OPENPOSE.items()}
    data = write(tmp_path / "a.pose", components, "XYC")
    corpus = prepare(tmp_path)
    assert corpus.layout.signature == "pose 25xyc, face 70xyc, left_hand 21xyc, right_hand 21xyc"
    found = points_of(corpus, 0, "left_hand")
    np.testing.assert_allclose(found[..., :2], data[:, 95:116] / HEIGHT, atol=2e-3)


def test_files_of_two_formats_are_told_apart(tmp_path):
    write(tmp_path / "a.pose", mediapipe_points(), "XYZC")
    write(tmp_path / "b.pose", mediapipe_points(), "XYC")
    with pytest.raises(ValueError, match=r"b\.pose: b: its points are pose 33xyc.*but others have"):
        prepare(tmp_path)


def test_a_format_without_x_and_y_is_told(tmp_path):
    write(tmp_path / "a.pose", mediapipe_points(), "ZKC")
    with pytest.raises(ValueError, match="POSE_LANDMARKS has the format ZKC, without X and Y"):
        prepare(tmp_path)


def test_a_guess_gives_files_of_several_rates_one(tmp_path):
    for fps in (25, 50):
        write(tmp_path / f"{fps}.pose", mediapipe_points(), "XYZC", fps)
    (found,) = guess(tmp_path)
    assert found.facts["frame rate"] == "25 and 50" and "--fps 25" in found.commands[0]
