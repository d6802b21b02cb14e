"""Columns are found by name: slices tile them, and a layout survives its journey through JSON."""

import codecs
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.layouts.layout import AXES, Block, Layout, generic_layout
from slr_accel.layouts.named_layouts import mediapipe_holistic, openpose_upper_body, read_layout

NAMES = st.text("abcdefgh_12", min_size=1, max_size=6)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    blocks = [
        Block(
            name,
            tuple(draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))),
            tuple(draw(st.lists(st.sampled_from(AXES), min_size=1, unique=True))),
        )
        for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    ]
    located = [f"{b.name}.{point}" for b in blocks if b.coordinates for point in b.points]
    origin = tuple(draw(st.lists(st.sampled_from(located), max_size=2))) if located else ()
    return Layout(tuple(blocks), origin=origin, units=draw(NAMES))


def valid() -> dict:
    return {
        "blocks": [
            {"name": "pose", "points": ["nose", "neck"], "axes": ["x", "y"], "missing": "zeros"},
            {"name": "hand", "points": ["wrist"], "axes": ["x", "y", "confidence"]},
        ],
        "origin": ["pose.nose"],
        "scale": ["pose.nose", "pose.neck"],
    }


@given(layouts())
def test_the_slices_of_the_blocks_tile_the_columns_in_order(layout):
    covered = [
        i for block in layout.blocks for i in range(*layout.slices[block.name].indices(10**6))
    ]
    assert covered == list(range(layout.columns))


@given(layouts())
def test_points_tile_their_block_axis_by_axis(layout):
    columns = [
        column
        for block in layout.blocks
        for point in block.points
        for column in layout.point_columns(f"{block.name}.{point}", block.axes)
    ]
    assert columns == list(range(layout.columns))


@given(layouts())
def test_a_layout_survives_json(layout):
    assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout


def test_point_columns_come_in_the_order_asked_for():
    layout = Layout.from_json(valid())
    assert layout.point_columns("hand.wrist", ("confidence", "x")) == [6, 4]
    assert layout.block_index("hand") == 1
    assert layout.signature == "pose 2xy, hand 1xyc"


def test_mediapipe_holistic_has_1629_values_and_the_shoulders_are_points_11_and_12():
    layout = mediapipe_holistic()
    assert layout.columns == 543 * 3
    assert layout.point_columns("pose.left_shoulder", ("x", "y", "z")) == [33, 34, 35]
    assert layout.point_columns("pose.right_shoulder", ("x",)) == [36]
    assert layout.slices["face"] == slice((33 + 21 + 21) * 3, 1629)
    assert layout.point_columns("right_hand.wrist", ("x",)) == [(33 + 21) * 3]


def test_holistic_with_confidence_differs_by_the_pose_alone():
    plain, layout = mediapipe_holistic(), mediapipe_holistic(confidence=True)
    assert layout.columns == 33 * 4 + (21 + 21 + 468) * 3
    assert layout.point_columns("pose.left_elbow", ("x", "confidence")) == [13 * 4, 13 * 4 + 3]
    assert layout.blocks[1:] == plain.blocks[1:]
    assert (layout.origin, layout.scale) == (plain.origin, plain.scale)


def test_openpose_upper_body_is_8_points_and_the_left_before_the_right_hand():
    layout = openpose_upper_body()
    assert layout.columns == 150
    assert layout.point_columns("pose.right_wrist", ("x", "y", "z")) == [12, 13, 14]
    assert layout.point_columns("pose.left_wrist", ("x",)) == [21]
    assert layout.slices["left_hand"] == slice(24, 87)


def test_generic_columns_have_no_coordinates():
    layout = generic_layout(13)
    assert layout.columns == 13
    assert layout.blocks[0].coordinates == ()
    assert layout.signature == "features 13"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(blocks=[]), ["no blocks"]),
        (lambda d: d.pop("blocks"), ["blocks"]),
        (lambda d: d["blocks"][0].pop("axes"), ["'pose'", "no `axes`"]),
        (lambda d: d["blocks"][0].update(axis=d["blocks"][0].pop("axes")), ["'pose'", "'axis'"]),
        (lambda d: d["blocks"][0].update(mising=d["blocks"][0].pop("missing")), ["'mising'"]),
        (lambda d: d.update(orign=d.pop("origin")), ["'orign'", "origin"]),
        (lambda d: d["blocks"].insert(1, "hand"), ["block 2", "'hand'", "{name, points, axes}"]),
        (lambda d: d["blocks"][1].pop("name"), ["block 2", "no `name`"]),
        (lambda d: d["blocks"][1].update(name=["hand"]), ["block 2", "`name`", "text"]),
        (lambda d: d.update(blocks={"pose": d["blocks"][0]}), ["`blocks`", "list of {name,"]),
        (lambda d: d["blocks"][1].update(name="pose"), ["'pose'", "twice"]),
        (lambda d: d["blocks"][0].update(name="upper.body"), ["upper.body", "dot"]),
        (lambda d: d["blocks"][0].update(points=["nose", "nose"]), ["pose", "point twice"]),
        (lambda d: d["blocks"][0].update(points=[]), ["pose", "no points"]),
        (lambda d: d["blocks"][0].update(points="nose"), ["'nose'", "list"]),
        (lambda d: d["blocks"][0].update(points=33), ["'pose'", "`points`", "33", "list"]),
        (lambda d: d["blocks"][0].update(axes=["x", "x"]), ["pose", "each once"]),
        (lambda d: d["blocks"][0].update(axes=["x", "depth"]), ["depth", "confidence"]),
        (lambda d: d.update(origin=["pose.chin"]), ["origin", "pose.chin"]),
        (lambda d: d.update(origin="pose.nose"), ["`origin`", "pose.nose", "list"]),
        (lambda d: d.update(scale=["pose.nose"]), ["scale", "two"]),
        (lambda d: d.update(scale=["pose.nose", "pose.nose"]), ["scale", "pose.nose", "twice"]),
        (lambda d: d.update(columns=9), ["9", "7"]),
        (lambda d: d["blocks"][0].update(points=["nose", "\ud800"]), ["pose", "UTF-8", "ud800"]),
        (lambda d: d["blocks"][0].update(name="\ud800"), ["UTF-8", "ud800"]),
        (lambda d: d.update(units="\ud800"), ["units", "UTF-8", "ud800"]),
    ],
)
def test_an_unusable_layout_is_refused_with_the_reason(change, words):
    data = valid()
    change(data)
    with pytest.raises(ValueError) as error:
        Layout.from_json(data)
    assert all(word in str(error.value) for word in words), error.value


def test_keys_of_somebody_elses_are_passed_over_in_a_layout():
    data = valid() | {"source": "own", "description": "of 2026", "frame_rate": 25}
    data["blocks"][0] |= {"point": "beside `points`", "colour": "red"}
    assert Layout.from_json(data) == Layout.from_json(valid())


def test_a_layout_file_from_windows_is_read(tmp_path):
    (tmp_path / "layout.json").write_bytes(codecs.BOM_UTF8 + json.dumps(valid()).encode())
    assert read_layout(str(tmp_path / "layout.json")).layout == Layout.from_json(valid())


def test_all_problems_of_a_layout_are_told_at_once():
    data = valid()
    data["blocks"][0]["axes"] = ["depth"]
    data["blocks"][1]["points"] = []
    with pytest.raises(ValueError, match=r"depth.*no points"):
        Layout.from_json(data)


def test_points_without_coordinates_are_no_origin():
    with pytest.raises(ValueError, match="no x, y or z"):
        Layout(generic_layout(2).blocks, origin=("features.0",))


def test_a_layout_file_says_how_absence_is_marked_and_the_size_of_the_frame(tmp_path):
    path = tmp_path / "layout.json"
    path.write_text(json.dumps({**valid(), "frame_size": [640, 480]}))
    found = read_layout(str(path))
    assert found.layout == Layout.from_json(valid())
    assert found.missing == {"pose": "zeros", "hand": "none"}
    assert found.frame_size == (640.0, 480.0)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("mediapipe_holistic", mediapipe_holistic()),
        ("mediapipe_holistic_confidence", mediapipe_holistic(confidence=True)),
        ("openpose_upper_body", openpose_upper_body()),
    ],
)
def test_a_known_layout_goes_by_its_name(name, layout):
    assert read_layout(name).layout == layout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ('{"blocks": }', "not JSON (Expecting value in line 1, column 12)"),
        ("[]", "a layout is an object with `blocks`, a list of {name, points, axes}, not []"),
        (b"\xff\xfe".decode("latin-1"), "UTF-8"),
        (json.dumps({**valid(), "frame_size": [640]}), "frame_size"),
        (json.dumps({**valid(), "frame_size": [640, 0]}), "frame_size"),
        (json.dumps({**valid(), "frame_size": 640}), "frame_size"),
        (json.dumps({**valid(), "frame_size": [640, 10**400]}), "frame_size"),
        (json.dumps({**valid(), "frame_size": {"width": 640, "height": 480}}), "frame_size"),
        ("[" * 100_000, "nested"),
        (
            json.dumps(valid()).replace("zeros", "minus_one"),
            "`missing` of block 'pose' is 'minus_one'; give zeros, nan, value",
        ),
    ],
)
def test_an_unusable_layout_file_is_refused_by_its_name(tmp_path, content, words):
    path = tmp_path / "layout.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ValueError) as error:
        read_layout(str(path))
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_an_unknown_layout_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="mediapipe_holistic"):
        read_layout("openpose")
