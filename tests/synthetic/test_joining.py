"""Joined clips stand where one body would, and the way between them is one that hands could go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.synthetic.joining import (
    LONGEST_TRANSITION,
    TRANSITION_SPEED,
    Clip,
    Joiner,
    minimum_jerk,
)

FPS = 25.0
SHOULDERS = ("pose.left_shoulder", "pose.right_shoulder")
LAYOUT = Layout(
    (
        Block("pose", ("left_shoulder", "right_shoulder", "left_wrist"), ("x", "y", "confidence")),
        Block("left_hand", ("wrist", "tip"), ("x", "y", "z")),
        Block("right_hand", ("wrist", "tip"), ("x", "y", "z")),
    ),
    origin=SHOULDERS,
    scale=SHOULDERS,
)
WRISTS = ("pose.left_wrist", "left_hand.wrist", "right_hand.wrist")
JOINER = Joiner(LAYOUT, FPS)
CONFIDENCE = [
    LAYOUT.point_columns(f"pose.{point}", ("confidence",))[0]
    for point in LAYOUT.block("pose").points
]


def columns(point: str, axes: tuple[str, ...] = ("x", "y")) -> list[int]:
    return LAYOUT.point_columns(point, axes)


def clip(seed: int, *, frames: int = 5, middle=(0.5, 0.4), width: float = 0.2) -> Clip:
    """Someone whose shoulders are `width` apart; hands are anywhere near."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(0.2, 0.8, (frames, LAYOUT.columns)).astype(np.float32)
    for point, way in zip(SHOULDERS, (0.5, -0.5), strict=True):
        features[:, columns(point)] = (middle[0] + way * width, middle[1])
    return Clip(features, np.ones((frames, len(LAYOUT.blocks)), bool))


def without(clip: Clip, block: str, frames=slice(None)) -> Clip:
    """The clip with a block absent in some frames."""
    features, presence = clip.features.copy(), clip.presence.copy()
    features[frames, LAYOUT.slices[block]] = 0
    presence[frames, LAYOUT.block_index(block)] = False
    return Clip(features, presence)


def in_body_units(features: np.ndarray, point: str) -> np.ndarray:
    left, right = (features[:, columns(shoulder)] for shoulder in SHOULDERS)
    return (features[:, columns(point)] - (left + right) / 2) / (left - right)[:, :1]


def test_bodies_come_to_their_mean_place_and_size_and_keep_their_posture():
    clips = [clip(0, middle=(0.3, 0.4), width=0.1), clip(1, middle=(0.7, 0.6), width=0.3)]
    joined, spans = JOINER.join(clips)
    for original, (start, end) in zip(clips, spans, strict=True):
        moved = joined.features[start:end]
        left, right = (moved[:, columns(point)] for point in SHOULDERS)
        np.testing.assert_allclose((left + right) / 2, np.tile((0.5, 0.5), (5, 1)), atol=1e-6)
        np.testing.assert_allclose((left - right)[:, 0], 0.2, atol=1e-6)
        for point in ("pose.left_wrist", "left_hand.tip", "right_hand.wrist"):
            np.testing.assert_allclose(
                in_body_units(moved, point), in_body_units(original.features, point), atol=1e-5
            )
        np.testing.assert_array_equal(moved[:, CONFIDENCE], original.features[:, CONFIDENCE])
    depth = columns("left_hand.tip", ("z",))
    np.testing.assert_allclose(joined.features[:5, depth], 2 * clips[0].features[:, depth], 1e-5)


def test_a_lone_clip_stays_as_it_is():
    joined, spans = JOINER.join([clip(0)])
    np.testing.assert_allclose(joined.features, clip(0).features, atol=1e-6)
    assert spans == [(0, 5)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 3.0))
def test_a_transition_is_as_long_as_the_farthest_wrist_needs(seed, widths):
    before, after = clip(seed), clip(seed + 1)
    start = {point: before.features[-1, columns(point)] for point in WRISTS}
    for point in WRISTS:
        after.features[0, columns(point)] = start[point]
    after.features[0, columns("right_hand.wrist")] += (widths * 0.2, 0)
    joined, spans = JOINER.join([before, after])
    steps = max(1, round(widths / TRANSITION_SPEED * FPS + 1e-4))
    assert abs(spans[1][0] - spans[0][1] - (steps - 1)) <= 1  # float32 may round the other way
    way = np.linalg.norm(np.diff(joined.features[:, columns("right_hand.wrist")], axis=0), axis=1)
    fastest = way[spans[0][1] - 1 : spans[1][0]].max() / 0.2 * FPS
    assert fastest <= TRANSITION_SPEED * 15 / 8 + FPS * 0.1


def test_a_spike_at_a_clips_end_makes_no_transition_of_minutes():
    before = clip(3)
    before.features[-1, columns("right_hand.wrist")] = -999
    _, ((_, start), (end, _)) = JOINER.join([before, clip(4)])
    assert end - start == LONGEST_TRANSITION * FPS - 1


def test_every_value_of_a_transition_goes_from_its_own_start_to_its_own_end():
    before, after = clip(3), clip(4)
    joined, ((_, start), (end, _)) = JOINER.join([before, after])
    assert end - start > 3
    phase = np.arange(1, end - start + 1)[:, None] / (end - start + 1)
    first, last = before.features[-1], after.features[0]
    np.testing.assert_allclose(
        joined.features[start:end], first + minimum_jerk(phase) * (last - first), atol=1e-5
    )
    assert joined.presence[start:end].all()


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("block", ["left_hand", "right_hand"])
def test_a_hand_absent_on_either_side_is_absent_in_between_and_nothing_else_is(side, block):
    clips = [clip(5), clip(6)]
    clips[side] = without(clips[side], block, -1 if side == 0 else 0)
    joined, ((_, start), (end, _)) = JOINER.join(clips)
    assert end > start
    expected = [b.name != block for b in LAYOUT.blocks]
    assert (joined.presence[start:end] == expected).all()
    np.testing.assert_array_equal(joined.features[start:end, LAYOUT.slices[block]], 0)


def test_absent_blocks_stay_zero_when_the_body_is_moved():
    joined, _ = JOINER.join([without(clip(0, middle=(0.2, 0.2)), "left_hand"), clip(1)])
    assert not joined.features[:5, LAYOUT.slices["left_hand"]].any()


def test_a_clip_without_a_body_is_left_where_it_is():
    bodiless = without(clip(1), "pose")
    joined, (_, (start, end)) = JOINER.join([clip(0, width=0.4), bodiless])
    np.testing.assert_array_equal(joined.features[start:end], bodiless.features)
    joined, spans = JOINER.join([bodiless, bodiless])
    assert spans == [(0, 5), (5, 10)]


def test_generic_columns_are_joined_as_they_are():
    clips = [Clip(np.full((3, 2), i, np.float32), np.ones((3, 1), bool)) for i in range(3)]
    joined, spans = Joiner(generic_layout(2), FPS).join(clips)
    np.testing.assert_array_equal(joined.features[:, 0], [0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert spans == [(0, 3), (3, 6), (6, 9)]
    assert joined.presence.shape == (9, 1)
