"""Features are what their names say, and what is missing is 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models_helpers import LAYOUTS, random_batch

from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.face_mesh import FACE_POINTS, REDUCED
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.settings.features import FeatureSettings

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


def test_confidence_adds_no_features_to_holistic() -> None:
    plain, with_confidence = mediapipe_holistic(), mediapipe_holistic(confidence=True)
    batch = random_batch(with_confidence, [6])
    both = []
    for layout in (plain, with_confidence):
        columns = [
            with_confidence.point_columns(f"{block.name}.{point}", block.axes)
            for block in layout.blocks
            for point in block.points
        ]
        values = batch.features[..., [column for of_point in columns for column in of_point]]
        both.append(transform(layout, *ALL_GROUPS)(values, batch.presence, batch.lengths))
    torch.testing.assert_close(both[0], both[1])


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


def parabola(fps: float) -> torch.Tensor:
    """[1, 2 seconds of frames, 1]: a central difference of it is its velocity."""
    time = torch.arange(int(2 * fps)) / fps
    return (3 * time + 2 * time**2)[None, :, None]


@pytest.mark.parametrize(
    ("trained", "read"), [(25.0, 50.0), (25.0, 30.0), (30.0, 15.0), (25.0, 25.0)]
)
def test_what_was_trained_at_one_rate_reads_another_with_motion_per_second(
    trained: float, read: float
) -> None:
    made = transform(generic_layout(1), "velocity", "acceleration", fps=trained)
    made.read_at(read)
    values = parabola(read)
    time = torch.arange(values.shape[1]) / read
    presence = torch.ones(*values.shape[:2], 1, dtype=torch.bool)
    features, _ = made.groups(values, presence, torch.tensor([values.shape[1]]))
    torch.testing.assert_close(features[0, 1:-1, 0], 3 + 4 * time[1:-1], atol=1e-2, rtol=1e-3)
    expected = torch.full((len(time) - 2,), 4.0)
    torch.testing.assert_close(features[0, 1:-1, 1], expected, atol=0.1, rtol=0.03)
    assert made.frames_per_second == trained, "that of training stays"


@pytest.mark.parametrize(("trained", "read"), [(None, 50.0), (50.0, None), (None, None)])
def test_a_rate_that_is_not_known_rescales_no_motion(
    trained: float | None, read: float | None
) -> None:
    made = FeatureTransform(generic_layout(1), FeatureSettings(groups=("velocity",)), trained)
    batch = random_batch(generic_layout(1), [9])
    before = made(batch.features, batch.presence, batch.lengths)
    made.read_at(read)
    assert torch.equal(made(batch.features, batch.presence, batch.lengths), before)


def test_back_at_its_own_rate_a_transform_is_what_it_was() -> None:
    made = transform(generic_layout(1), "velocity")
    batch = random_batch(generic_layout(1), [9])
    before = made(batch.features, batch.presence, batch.lengths)
    made.read_at(50.0)
    assert not torch.equal(made(batch.features, batch.presence, batch.lengths), before)
    made.read_at(None)
    assert torch.equal(made(batch.features, batch.presence, batch.lengths), before)


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
    assert made.columns.num_features == 2 * 21 + 15 + 1
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


def test_excluded_fingertips_are_in_no_distance() -> None:
    layout = mediapipe_holistic()
    batch = random_batch(layout, [5])

    def distances(*excluded: str) -> torch.Tensor:
        settings = FeatureSettings(
            groups=("distances",), blocks=("left_hand",), exclude_points=excluded
        )
        made = FeatureTransform(layout, settings, 25.0)
        assert made.columns.num_features == made.groups(*arguments)[0].shape[-1] + 1
        return made.groups(*arguments)[0]

    arguments = (batch.features, batch.presence, batch.lengths)
    whole = distances()
    # Pairs of wrist, thumb, index, middle, ring, pinky, in this order.
    without_pinky = [i for i in range(15) if i not in (4, 8, 11, 13, 14)]
    assert torch.equal(distances("left_hand.pinky_*"), whole[..., without_pinky])
    assert torch.equal(distances("left_hand.wrist"), whole[..., 5:])


def test_the_reduced_face_is_those_points_of_the_whole() -> None:
    layout = mediapipe_holistic()
    batch = random_batch(layout, [6])
    arguments = (batch.features, batch.presence, batch.lengths)
    groups = ("position", "relative")
    whole = FeatureTransform(layout, FeatureSettings(groups=groups, blocks=("face",)), 25.0)
    settings = FeatureSettings(groups=groups, blocks=("face",), face_points="reduced")
    part = FeatureTransform(layout, settings, 25.0)
    assert part.columns.num_features == 2 * 3 * 128 + 1
    kept = torch.tensor([point in REDUCED for point in FACE_POINTS]).repeat_interleave(3).repeat(2)
    assert torch.equal(part.groups(*arguments)[0], whole.groups(*arguments)[0][..., kept])


def groups_in_numpy(values: np.ndarray, presence: np.ndarray, fps: float) -> np.ndarray:
    """The 6,516 values of one sequence of Holistic, by loops and MediaPipe's numbers: [T, 6516]."""
    points = values.astype(np.float64).reshape(len(values), 543, 3)
    blocks = {0: range(33), 1: range(33, 54), 2: range(54, 75), 3: range(75, 543)}
    shoulders = points[:, [11, 12], :2]
    pose_seen = presence[:, 0]
    mean_origin = shoulders.mean(axis=1)[pose_seen].mean(axis=0)
    widths = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1)
    mean_width = widths[pose_seen].mean()
    for t in range(len(points)):
        points[t, :, :2] -= shoulders[t].mean(axis=0) if pose_seen[t] else mean_origin
        points[t] /= max(widths[t], 0.3 * mean_width) if pose_seen[t] else mean_width
    result = []
    for block, members in blocks.items():
        own, seen = points[:, list(members)], presence[:, block]
        anchor = [own[:, [11, 12]].mean(axis=1), own[:, 0], own[:, 0], own[:, 1]][block]
        made = np.zeros((4, *own.shape))
        for t in range(len(own)):
            around = 0 < t < len(own) - 1 and seen[t - 1] and seen[t + 1]
            if seen[t]:
                made[0, t] = own[t]
                made[3, t] = own[t] - anchor[t]
            if around:
                made[1, t] = (own[t + 1] - own[t - 1]) / (2 / fps)
            if around and seen[t]:
                made[2, t] = (own[t + 1] - 2 * own[t] + own[t - 1]) * fps**2
        result += [group.reshape(len(own), -1) for group in made]
    return np.concatenate(result, axis=1)


@pytest.mark.parametrize("fps", [25.0, 30.0])
def test_each_group_of_holistic_is_what_numpy_makes_of_it(fps: float) -> None:
    layout = mediapipe_holistic()
    batch = random_batch(layout, [14, 9, 1])
    made = transform(layout, *ALL_GROUPS, fps=fps)
    values, valid = made.groups(batch.features, batch.presence, batch.lengths)
    ours = (values * valid).numpy()
    assert ours.shape == (3, 14, 6516)
    for i, frames in enumerate(batch.lengths.tolist()):
        if not batch.presence[i, :frames, 0].any():
            continue
        arrays = batch.features[i, :frames].numpy(), batch.presence[i, :frames].numpy()
        theirs = groups_in_numpy(*arrays, fps)
        largest = np.abs(theirs).max(axis=0) + 1
        np.testing.assert_allclose(ours[i, :frames] / largest, theirs / largest, atol=2e-5)
        assert not ours[i, frames:].any()


def test_a_movement_has_the_same_features_at_25_and_at_30_frames_per_second() -> None:
    layout = mediapipe_holistic()
    still = random_batch(layout, [1]).features[0, 0]
    features = {}
    for fps in (25.0, 30.0):
        seconds = torch.arange(int(2 * fps) + 1)[:, None] / fps
        values = still + 0.1 * seconds**2 * torch.linspace(-1, 1, layout.columns)
        # The body stays: else its own movement is taken out.
        for point in layout.origin:
            columns = layout.point_columns(point, ("x", "y"))
            values[:, columns] = still[columns]
        presence = torch.ones(1, len(values), 4, dtype=torch.bool)
        made = transform(layout, *ALL_GROUPS, fps=fps).double()
        lengths = torch.tensor([len(values)])
        features[fps] = made.groups(values[None].double(), presence, lengths)[0][0, int(fps)]
    torch.testing.assert_close(features[25.0], features[30.0], atol=5e-3, rtol=5e-3)


def test_a_sequence_has_the_same_features_alone_and_in_a_batch() -> None:
    layout = mediapipe_holistic()
    batch = random_batch(layout, [12, 20, 3])
    left, _ = (layout.point_columns(point, ("x",)) for point in layout.origin)
    batch.features[..., left] += 1  # shoulders of some width: else all else is enormous
    made = transform(layout, *ALL_GROUPS)
    values, _ = made.groups(batch.features, batch.presence, batch.lengths)
    made.deviation.copy_(values.std(dim=(0, 1)) + 0.1)
    together = made(batch.features, batch.presence, batch.lengths)
    for i, frames in enumerate(batch.lengths.tolist()):
        alone = made(
            batch.features[i : i + 1, :frames],
            batch.presence[i : i + 1, :frames],
            batch.lengths[i : i + 1],
        )
        torch.testing.assert_close(together[i, :frames], alone[0], atol=1e-5, rtol=1e-5)


def test_features_of_a_half_precision_corpus_are_those_of_its_values_in_float32() -> None:
    layout = mediapipe_holistic()
    batch = random_batch(layout, [8])
    made = transform(layout, *ALL_GROUPS)
    half = batch.features.half()
    before = half.clone()
    ours = made(half, batch.presence, batch.lengths)
    assert torch.equal(ours, made(half.float(), batch.presence, batch.lengths))
    assert torch.equal(half, before), "the batch itself is left alone"


def test_a_trackers_spike_is_cut_to_ten_deviations() -> None:
    made = transform(generic_layout(1), "position")
    made.deviation.fill_(2.0)
    values = torch.tensor([3.0, 1e6, -1e6])[None, :, None]
    features = made(values, torch.ones(1, 3, 1, dtype=torch.bool), torch.tensor([3]))
    assert features[0, :, 0].tolist() == [1.5, 10.0, -10.0]
