"""Single absent points are found by their marker, and filled where their block is there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.importers.absence import fill_absent
from slr_accel.importers.filling import LONGEST_GAP
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.layouts.missing import parse_markers

POSE = Block("pose", ("left_shoulder", "right_shoulder", "nose", "wrist"), ("x", "y", "confidence"))
HAND = Block("hand", ("wrist", "tip", "thumb"), ("x", "y"))
SHOULDERS = ("pose.left_shoulder", "pose.right_shoulder")
LAYOUT = Layout((POSE, HAND), origin=SHOULDERS, scale=SHOULDERS)
MARK = {"zeros": 0.0, "nan": np.nan, "value -1": -1.0}


def signed(frames: int = 40) -> np.ndarray:
    """A body that sways a little, with a wrist and a hand that move."""
    time = np.arange(frames)[:, None]
    sway = 0.02 * np.sin(time / 9)
    rest = np.array([[0.6, 0.4], [0.4, 0.4], [0.5, 0.25], [0.3, 0.7]])
    pose = np.repeat(rest[None], frames, axis=0)
    pose[:, :, 0] += sway
    pose[:, 3, 1] -= 0.2 * np.sin(time[:, 0] / 5)
    hand = pose[:, 3:] + np.array([[0, 0], [0.05, 0.01], [0.02, 0.04]])
    confidence = np.full((frames, 4, 1), 0.9)
    pose = np.concatenate([pose, confidence], axis=2)
    joined = np.concatenate([pose.reshape(frames, -1), hand.reshape(frames, -1)], axis=1)
    return joined.astype(np.float32)


def columns(point: str) -> list[int]:
    return LAYOUT.point_columns(point, ("x", "y"))


def every(marker: str) -> dict[str, str]:
    return {"pose": marker, "hand": marker}


@pytest.mark.parametrize("marker", MARK)
def test_a_short_gap_is_bridged_by_a_straight_line(marker):
    values = signed()
    own = columns("pose.wrist")
    expected = np.linspace(values[9, own], values[13, own], 5)[1:-1]
    values[10:13, own] = MARK[marker]
    presence, seen = fill_absent(values, LAYOUT, every(marker))
    np.testing.assert_allclose(values[10:13, own], expected, atol=1e-6)
    assert presence.all()
    assert seen.tolist() == [40, 40, 40, 37, 40, 40, 40]


@pytest.mark.parametrize(("marker", "mark"), [("zeros,nan", np.nan), ("value -9,zeros", -9)])
def test_the_zero_that_others_are_measured_from_stays_beside_points_of_another_marker(marker, mark):
    values = np.random.default_rng(0).normal(size=(40, 3, 2)).astype(np.float32)
    values[:, 0] = 0
    values[20:23, 1] = mark
    values[30, 1:] = mark  # nothing is there: the zero says nothing
    values = values.reshape(40, -1)
    presence, seen = fill_absent(values, Layout((HAND,)), {"hand": marker})
    assert seen.tolist() == [39, 36, 39]
    assert not values[:, :2].any()
    assert np.flatnonzero(~presence[:, 0]).tolist() == [30]


def test_another_marker_below_zero_does_not_make_zeros_places():
    values = np.random.default_rng(0).uniform(0.2, 0.8, (40, 3, 2)).astype(np.float32)
    values[:, 0] = 0  # never detected
    values[20:23, 1] = -1
    seen = fill_absent(values.reshape(40, -1), Layout((HAND,)), {"hand": "zeros,value -1"}).seen
    assert seen.tolist() == [0, 37, 40]


def test_a_point_is_absent_where_one_of_several_markers_says_so():
    values = signed()
    hand = LAYOUT.slices["hand"]
    values[4:20, hand] = 0
    values[30, hand] = -1
    values[10:12, columns("pose.nose")] = np.nan
    confidence = LAYOUT.point_columns("pose.wrist", ("confidence",))
    values[6, confidence] = 0.1
    marked = {"pose": "nan,confidence < 0.3", "hand": "zeros, nan,value -1"}
    presence, seen = fill_absent(values, LAYOUT, marked)
    assert np.flatnonzero(~presence[:, 1]).tolist() == [*range(4, 20), 30]
    assert presence[:, 0].all() and np.isfinite(values).all()
    assert seen.tolist() == [40, 40, 38, 39, 23, 23, 23]


def test_a_low_confidence_marks_a_point_and_stays():
    values, sound = signed(), signed()
    confidence = LAYOUT.point_columns("pose.nose", ("confidence",))
    values[5:7, confidence] = 0.2
    values[5:7, columns("pose.nose")] = 7
    fill_absent(values, LAYOUT, {"pose": "confidence < 0.3", "hand": "none"})
    np.testing.assert_allclose(
        values[:, columns("pose.nose")], sound[:, columns("pose.nose")], atol=0.01
    )
    assert (values[5:7, confidence] == np.float32(0.2)).all()


def test_in_a_long_gap_a_point_goes_where_it_usually_is_in_its_block():
    values, sound = signed(), signed()
    lost = slice(12, 12 + LONGEST_GAP + 9)
    values[lost, columns("pose.left_shoulder")] = np.nan
    presence, _ = fill_absent(values, LAYOUT)
    assert presence.all()
    own = columns("pose.left_shoulder")
    # The wrist moves by 0.4; the still points tell where the shoulder is.
    assert np.abs(values[:, own] - sound[:, own]).max() < 0.01


def test_a_block_without_any_point_is_absent_and_0():
    values = signed()
    values[3:30, LAYOUT.slices["hand"]] = np.nan
    presence, seen = fill_absent(values, LAYOUT)
    assert (~presence[:, 1]).nonzero()[0].tolist() == list(range(3, 30))
    assert not values[3:30, LAYOUT.slices["hand"]].any()
    assert seen[-3:].tolist() == [13, 13, 13]


def test_a_point_that_is_never_seen_lies_at_the_origin_of_the_body():
    values = signed()
    values[:, columns("pose.wrist")] = np.nan
    _, seen = fill_absent(values, LAYOUT)
    middle = (values[:, columns(SHOULDERS[0])] + values[:, columns(SHOULDERS[1])]) / 2
    np.testing.assert_allclose(values[:, columns("pose.wrist")], middle, atol=1e-6)
    assert seen[3] == 0


def test_zeros_from_which_others_are_measured_are_places():
    values = signed()
    for block in LAYOUT.blocks:
        first = columns(f"{block.name}.{block.points[0]}")
        for point in block.points[::-1]:
            values[:, columns(f"{block.name}.{point}")] -= values[:, first]
    values[:, columns("hand.thumb")] *= -1
    before = values.copy()
    presence, _ = fill_absent(values, LAYOUT, every("zeros"))
    np.testing.assert_array_equal(
        values[:, LAYOUT.slices["hand"]], before[:, LAYOUT.slices["hand"]]
    )
    assert presence.all()


def test_of_columns_without_a_meaning_zeros_mark_whole_frames_and_nan_single_values():
    values = np.arange(1, 31, dtype=np.float32).reshape(10, 3)
    values[4, 1], values[6] = 0, 0
    presence, _ = fill_absent(values, generic_layout(3), {"features": "zeros"})
    assert values[4, 1] == 0
    assert (~presence[:, 0]).nonzero()[0].tolist() == [6]
    values[2, 2] = np.nan
    presence, _ = fill_absent(values, generic_layout(3), {"features": "nan"})
    assert presence.all()
    assert values[2, 2] == (values[1, 2] + values[3, 2]) / 2


@given(
    holes=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 6)), max_size=120),
    blocks=st.lists(st.integers(0, 39), max_size=20),
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_missing_what_was_seen_stays_and_all_is_finite(holes, blocks):
    values = signed()
    points = [f"{b.name}.{point}" for b in LAYOUT.blocks for point in b.points]
    for frame, point in holes:
        values[frame, columns(points[point])] = np.nan
    for frame in blocks:
        values[frame, LAYOUT.slices["hand"]] = np.nan
    before = values.copy()
    presence, seen = fill_absent(values, LAYOUT)
    assert np.isfinite(values).all()
    known = ~np.isnan(before)
    shown = np.repeat(presence, [block.columns for block in LAYOUT.blocks], axis=1)
    np.testing.assert_array_equal(values[known & shown], before[known & shown])
    assert (values[~presence[:, 1], LAYOUT.slices["hand"]] == 0).all()
    assert seen.tolist() == [int(known[:, columns(point)].all(axis=1).sum()) for point in points]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zero",
        "zeros,",
        "zeros,nothing",
        "value",
        "value x",
        "confidence",
        "confidence > 0.3",
        "value nan",
        "none 3",
    ],
)
def test_what_is_no_marker_is_refused_with_those_there_are(text):
    with pytest.raises(ValueError, match="value NUMBER, confidence < NUMBER, none"):
        parse_markers(text)


def test_a_confidence_that_a_block_has_not_is_refused():
    with pytest.raises(ValueError, match="block hand has no axis `confidence`"):
        fill_absent(signed(), LAYOUT, every("confidence < 0.5"))


def test_nan_that_marks_nothing_is_refused():
    values = signed()
    values[3, 1] = np.nan
    with pytest.raises(ValueError, match="block pose has NaN, the first in frame 3, column 1"):
        fill_absent(values, LAYOUT, every("zeros"))
