"""What the columns of own data mean: layouts, absence, frame size, frame rate."""

import json

import numpy as np
import pytest
from manifest_helpers import LAYOUT, array, prepare, refused, row
from phoenix_helpers import joined, landmarks
from prepare_helpers import index_of

from slr_accel.layouts.named_layouts import mediapipe_holistic


def test_a_layout_beside_the_index_is_used(folder):
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    corpus = prepare(index_of(folder, row(0)))
    assert corpus.layout.signature == "pose 1xyc, hand 1xy"


def test_a_layout_given_by_file_goes_before_the_one_beside(folder):
    (folder / "layout.json").write_text("broken")
    (folder / "mine.json").write_text(json.dumps(LAYOUT))
    corpus = prepare(index_of(folder, row(0)), layout=str(folder / "mine.json"))
    assert corpus.layout.signature == "pose 1xyc, hand 1xy"


def test_a_layout_given_by_name_is_used(folder):
    np.save(folder / "s0.npy", joined(landmarks(0, "HELLO"), ",".join(mediapipe_holistic().slices)))
    corpus = prepare(index_of(folder, row(0)), layout="mediapipe_holistic", missing="zeros")
    assert corpus.layout.signature.startswith("pose 33xyz, left_hand 21xyz")


def hand_gone(marker: float) -> np.ndarray:
    """The hand is gone in frames 1 and 2, the nose has a single zero in frame 3."""
    values = array()
    values[1:3, 3:] = marker
    values[3, 0] = 0
    return values


@pytest.mark.parametrize("marker", ["zeros", "nan"])
def test_absent_blocks_are_marked_and_their_values_set_to_0(folder, marker):
    values = hand_gone(0 if marker == "zeros" else np.nan)
    if marker == "nan":
        values[1, 4] = 1.5  # one missing value makes the block missing
    np.save(folder / "s0.npy", values)
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    corpus = prepare(index_of(folder, row(0)), missing=marker)
    expected = np.ones((6, 2), bool)
    expected[1:3, 1] = False
    np.testing.assert_array_equal(corpus.presence(0), expected)
    assert (corpus.features(0)[1:3, 3:] == 0).all()
    np.testing.assert_array_equal(corpus.features(0)[:, :3], values[:, :3])


def test_each_block_marks_absence_as_the_layout_file_says(folder):
    values = hand_gone(0)
    values[4, :3] = 0  # the pose does not say that zeros mean absence
    np.save(folder / "s0.npy", values)
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    presence = prepare(index_of(folder, row(0))).presence(0)
    assert presence[:, 0].all()
    assert presence[:, 1].tolist() == [True, False, False, True, True, True]


def test_without_a_marker_zeros_are_values(folder):
    np.save(folder / "s0.npy", hand_gone(0))
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    assert prepare(index_of(folder, row(0)), missing="none").presence(0).all()


def test_pixels_are_divided_by_the_frames_height_and_confidence_is_not(folder):
    (folder / "layout.json").write_text(json.dumps({**LAYOUT, "frame_size": [640, 480]}))
    values = array() * 100
    values[1, 3:] = 0
    np.save(folder / "s0.npy", values)
    corpus = prepare(index_of(folder, row(0)))
    divided = values / np.array([480, 480, 1, 480, 480], np.float32)
    np.testing.assert_allclose(corpus.features(0), divided, rtol=1e-3)
    assert corpus.layout.units == "the frame's height"
    assert corpus.info.source["frame_sizes"] == {"640x480": 1}


@pytest.mark.parametrize(
    ("of_rows", "option", "expected"),
    [
        ((None, None), None, None),
        ((None, None), 30, 30),
        ((25, 25), None, 25),
        ((25, None), 25, 25),
        (("25.0", 25), 50, 50),  # rows of another rate are resampled
        ((29.97, 30), None, 29.97),  # within 1 % they are one
        ((25, None), 30, 30),
    ],
)
def test_the_frame_rate_is_that_of_the_rows_or_of_the_option(folder, of_rows, option, expected):
    rows = [row(i, fps=fps) for i, fps in enumerate(of_rows)]
    assert prepare(index_of(folder, *rows), fps=option).info.frames_per_second == expected


@pytest.mark.parametrize(
    ("of_rows", "option", "words"),
    [
        ((25, 30), None, [":2:", "25, 30", "--fps 25 resamples"]),
        ((25, None), None, [":2:", "--fps"]),
        ((None, 25), None, [":1:", "--fps"]),
        ((None, None), 0, ["--fps", "0"]),
        ((None, None), -25, ["--fps", "-25"]),
        ((None, None), float("nan"), ["--fps", "nan"]),
    ],
)
def test_a_corpus_has_one_frame_rate(folder, of_rows, option, words):
    rows = [row(i, fps=fps) for i, fps in enumerate(of_rows)]
    message = refused(index_of(folder, *rows), fps=option)
    assert all(word in message for word in words), message
    assert "--only" not in message
