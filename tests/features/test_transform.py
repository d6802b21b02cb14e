"""Features are what their names say, and what is missing is 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models_helpers import LAYOUTS, random_batch

from slr_accel.corpus.layout import Block, Layout, generic_layout, mediapipe_holistic
from slr_accel.features.settings import FeatureSettings
from slr_accel.features.transform import FeatureTransform

ALL_GROUPS = ("position", "velocity", "acceleration", "relative")
HAND = Layout(
    (
        Block("pose", ("left_shoulder", "right_shoulder", "left_elbow"), ("x", "y", "confidence")),
        Block("left_hand", ("wrist", "thumb_tip"), ("x", "y")),
    ),
    origin=("pose.left_shoulder", "pose.right_shoulder"),
    scale=("pose.left_shoulder", "pose.right_shoulder"),
)


def transform(layout: Layout, *groups: str, fps: float = 25.0) -> FeatureTransform:
    return FeatureTransform(layout, FeatureSettings(groups=groups), fps)


def test_four_groups_of_holistic_are_6516_and_a_presence_channel_a_block() -> None:
    assert transform(mediapipe_holistic(), *ALL_GROUPS).num_features == 4 * 1629 + 4


def test_positions_are_measured_from_the_shoulders_in_shoulder_widths() -> None:
    values = torch.tensor([[[2.0, 1.0, 0.9, 4.0, 1.0, 0.9, 5.0, 3.0, 0.9, 1.0, 2.0, 1.5, 2.0]]])
    presence = torch.ones(1, 1, 2, dtype=torch.bool)
    features, _ = transform(HAND, "position").groups(values, presence, torch.tensor([1]))
    expected = [-0.5, 0.0, 0.5, 0.0, 1.0, 1.0, -1.0, 0.5, -0.75, 0.5]
    torch.testing.assert_close(features[0, 0], torch.tensor(expected))


def test_hands_are_relative_to_their_wrist_and_the_pose_to_the_shoulders() -> None:
    values = torch.tensor([[[2.0, 1.0, 0.9, 4.0, 1.0, 0.9, 5.0, 3.0, 0.9, 1.0, 2.0, 1.5, 2.0]]])
    presence = torch.ones(1, 1, 2, dtype=torch.bool)
    features, _ = transform(HAND, "relative").groups(values, presence, torch.tensor([1]))
    expected = [-0.5, 0.0, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0, 0.25, 0.0]
    torch.testing.assert_close(features[0, 0], torch.tensor(expected))


def test_single_point_hands_are_relative_to_each_other() -> None:
    layout = LAYOUTS["tracks"]
    values = torch.tensor([[[1.0, 2.0, 5.0, 7.0, 3.0, 3.0]]])
    made = transform(layout, "relative")
    features, _ = made.groups(values, torch.ones(1, 1, 3, dtype=torch.bool), torch.tensor([1]))
    torch.testing.assert_close(features[0, 0], torch.tensor([-4.0, -5.0, 4.0, 5.0]))


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_motion_is_per_second_whatever_the_frame_rate(fps: float) -> None:
    time = torch.arange(20) / fps
    values = (3 * time + 2 * time**2)[None, :, None]
    made = transform(generic_layout(1), "velocity", "acceleration", fps=fps)
    presence = torch.ones(1, 20, 1, dtype=torch.bool)
    features, valid = made.groups(values, presence, torch.tensor([20]))
    torch.testing.assert_close(features[0, 1:-1, 0], 3 + 4 * time[1:-1], atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(features[0, 1:-1, 1], torch.full((18,), 4.0), atol=0.1, rtol=0.03)
    assert not valid[0, 0].any() and not valid[0, -1].any()


@given(st.integers(0, 2**32 - 1))
def test_a_difference_is_0_unless_every_frame_it_uses_is_present(seed: int) -> None:
    random = np.random.default_rng(seed)
    presence = torch.from_numpy(random.random((1, 30, 1)) < 0.7)
    values = torch.from_numpy(random.normal(5, 1, (1, 30, 1)).astype(np.float32)) * presence
    made = transform(generic_layout(1), "velocity", "acceleration")
    features = made(values, presence, torch.tensor([30]))[0]
    shown = [False, *presence[0, :, 0].tolist(), False]
    for t in range(30):
        if not (shown[t] and shown[t + 2]):
            assert features[t, 0] == 0
        if not all(shown[t : t + 3]):
            assert features[t, 1] == 0


def test_features_do_not_change_with_where_and_how_large_the_body_is() -> None:
    batch = random_batch(HAND, [15])
    presence = torch.ones_like(batch.presence)
    made = transform(HAND, *ALL_GROUPS)
    moved = batch.features.clone()
    for block in HAND.blocks:
        for point in block.points:
            x, y = HAND.point_columns(f"{block.name}.{point}", ("x", "y"))
            moved[..., x] = 3 * moved[..., x] + 0.4
            moved[..., y] = 3 * moved[..., y] - 0.2
    ours, _ = made.groups(batch.features, presence, batch.lengths)
    theirs, _ = made.groups(moved, presence, batch.lengths)
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_values_of_absent_blocks_and_padding_never_matter() -> None:
    for layout in LAYOUTS.values():
        batch = random_batch(layout, [12, 7])
        made = transform(layout, *ALL_GROUPS)
        ours = made(batch.features, batch.presence, batch.lengths)
        junk = batch.features.clone()
        for i, block in enumerate(layout.blocks):
            absent = ~batch.presence[..., i]
            junk[..., layout.slices[block.name]][absent] = 1e3
        junk[1, 7:] = -1e3
        theirs = made(junk, batch.presence, batch.lengths)
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
        assert not ours[1, 7:].any()


def test_confidence_is_no_coordinate() -> None:
    batch = random_batch(HAND, [9])
    made = transform(HAND, *ALL_GROUPS)
    ours = made(batch.features, batch.presence, batch.lengths)
    changed = batch.features.clone()
    changed[..., HAND.point_columns("pose.left_elbow", ("confidence",))] = 77.0
    assert torch.equal(made(changed, batch.presence, batch.lengths), ours)


def test_half_precision_autocast_leaves_features_in_float32() -> None:
    batch = random_batch(HAND, [9])
    made = transform(HAND, *ALL_GROUPS)
    ours = made(batch.features, batch.presence, batch.lengths)
    with torch.autocast("cpu", torch.bfloat16):
        theirs = made(batch.features, batch.presence, batch.lengths)
    assert torch.equal(ours, theirs)


def test_shape_and_distances_do_not_change_with_the_size_of_the_hand() -> None:
    layout = mediapipe_holistic()
    batch = random_batch(layout, [5])
    presence = torch.ones_like(batch.presence)
    settings = FeatureSettings(groups=("shape", "distances"), blocks=("left_hand",), depth=False)
    made = FeatureTransform(layout, settings, 25.0)
    assert made.num_features == 2 * 21 + 15 + 1
    wrist = layout.point_columns("left_hand.wrist", ("x", "y", "z"))
    larger = batch.features.clone()
    hand = larger[..., layout.slices["left_hand"]].unflatten(-1, (21, 3))
    centre = larger[..., None, wrist]
    larger[..., layout.slices["left_hand"]] = ((hand - centre) * 1.7 + centre).flatten(-2)
    ours, _ = made.groups(batch.features, presence, batch.lengths)
    theirs, _ = made.groups(larger, presence, batch.lengths)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
    assert ours.std() > 0.1


def test_excluded_points_make_no_features_and_change_no_other() -> None:
    batch = random_batch(HAND, [9])
    whole = transform(HAND, "position", "relative")
    settings = FeatureSettings(groups=("position", "relative"), exclude_points=("pose.*_elbow",))
    part = FeatureTransform(HAND, settings, 25.0)
    ours, _ = whole.groups(batch.features, batch.presence, batch.lengths)
    theirs, _ = part.groups(batch.features, batch.presence, batch.lengths)
    without_elbow = [i for i in range(20) if i not in (4, 5, 10, 11)]
    assert torch.equal(theirs, ours[..., without_elbow])


def test_an_unknown_block_and_settings_without_features_are_refused() -> None:
    with pytest.raises(ValueError, match="foot"):
        FeatureTransform(HAND, FeatureSettings(blocks=("foot",)), 25.0)
    with pytest.raises(ValueError, match="make no features"):
        transform(generic_layout(3), "relative")
