"""Columns are of the points and blocks that they are said to be of."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from slr_accel.features.columns import FeatureColumns
from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.settings.features import FeatureSettings

HAND = Layout((Block("left_hand", ("wrist", "thumb_tip"), ("x", "y")),))
FACE = "face_points reduced"


def test_four_groups_of_holistic_are_6516_and_a_presence_channel_a_block() -> None:
    groups = ("position", "velocity", "acceleration", "relative")
    columns = FeatureColumns(mediapipe_holistic(), FeatureSettings(groups=groups))
    assert columns.num_features == 4 * 1629 + 4


def test_an_unknown_block_and_settings_without_features_are_refused() -> None:
    with pytest.raises(ValueError, match="foot"):
        FeatureColumns(HAND, FeatureSettings(blocks=("foot",)))
    with pytest.raises(ValueError, match="make no features"):
        FeatureColumns(generic_layout(3), FeatureSettings(groups=("relative",)))


@pytest.mark.parametrize("names", [("left_hand", "right_hand"), ("HandLeft", "HandRight")])
def test_a_hand_of_one_point_is_seen_from_the_other(names: tuple[str, str]) -> None:
    layout = Layout(tuple(Block(name, ("centre",), ("x", "y")) for name in names))
    columns = FeatureColumns(layout, FeatureSettings(groups=("relative",)))
    anchors = [columns.anchor(block) for block in layout.blocks]
    assert anchors == [(names[1], ("centre",)), (names[0], ("centre",))]


def test_the_columns_of_a_point_follow_that_point_alone() -> None:
    layout = mediapipe_holistic()
    settings = FeatureSettings(
        groups=("distances", "relative", "velocity", "position"), exclude_points=("*.thumb_*",)
    )
    made = FeatureTransform(layout, settings, 25.0)
    block = layout.block("right_hand")
    columns = made.columns.of_points(block, ("position", "relative"))
    assert list(columns) == [p for p in block.points if not p.startswith("thumb")]
    values = torch.rand(1, 5, layout.columns)
    presence = torch.ones(1, 5, len(layout.blocks), dtype=torch.bool)
    moved = values.clone()
    moved[:, 2, layout.point_columns("right_hand.ring_tip", ("x", "y", "z"))] += 0.1
    lengths = torch.tensor([5])
    before = made(values, presence, lengths)[0, 2]
    after = made(moved, presence, lengths)[0, 2]
    changed = {name for name, own in columns.items() if not torch.equal(before[own], after[own])}
    assert changed == {"ring_tip"}
    assert (before[columns["ring_tip"]] != after[columns["ring_tip"]]).all()
    assert len(columns["ring_tip"]) == 6


def test_the_presence_column_of_a_block_says_whether_it_is_there() -> None:
    layout = mediapipe_holistic()
    made = FeatureTransform(layout, FeatureSettings(blocks=("pose", "left_hand")), 25.0)
    presence = torch.ones(1, 3, len(layout.blocks), dtype=torch.bool)
    presence[:, 1, layout.block_index("left_hand")] = False
    features = made(torch.rand(1, 3, layout.columns), presence, torch.tensor([3]))
    assert features[0, :, made.columns.presence(layout.block("left_hand"))].tolist() == [1, 0, 1]
    assert features[0, :, made.columns.presence(layout.block("pose"))].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("layout", "given", "named"),
    [
        (
            generic_layout(13),
            {"groups": ("position", "relative", "shape")},
            ["groups relative", "groups shape"],
        ),
        (generic_layout(13), {}, []),
        (generic_layout(13), {"depth": False}, ["depth false"]),
        (mediapipe_holistic(), {"depth": False}, []),
        (
            mediapipe_holistic(),
            {"exclude_points": ("pose.*_kne", "*.wrist")},
            ["exclude_points pose.*_kne"],
        ),
        (
            mediapipe_holistic(),
            {"blocks": ("left_hand",), "exclude_points": ("pose.*_knee",)},
            ["exclude_points pose.*_knee"],
        ),
        (mediapipe_holistic(), {"face_points": "reduced"}, []),
        (mediapipe_holistic(), {"face_points": "reduced", "blocks": ("pose",)}, [FACE]),
        (HAND, {"face_points": "reduced"}, [FACE]),
    ],
)
def test_what_was_given_and_changes_nothing_is_named(
    layout: Layout, given: dict[str, Any], named: list[str]
) -> None:
    found = FeatureColumns(layout, FeatureSettings(**given)).without_effect()
    assert [text.partition(" has no effect")[0] for text in found] == named
