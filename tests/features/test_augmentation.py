"""Augmentation depends on the work alone, and labels stay alignable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models_helpers import LAYOUTS, random_batch

from slr_accel.features.augmentation import Augmentation
from slr_accel.features.resampling import random_places, resample
from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.loading.batch import Batch
from slr_accel.loading.plan import required_output_length
from slr_accel.padding import frame_mask
from slr_accel.settings.features import AugmentationSettings, FeatureSettings
from slr_accel.settings.run import build_settings
from slr_accel.synthetic.performance import performances
from slr_accel.training.data import TrainData, make_epoch

OFF = dict.fromkeys(AugmentationSettings.model_fields, 0) | {"time_stretch": 1}


def augmentation(layout: Layout, **changed: float) -> Augmentation:
    options = AugmentationSettings(**(OFF | changed))
    return Augmentation(layout, options, 2, torch.full((layout.columns,), 0.5))


def augmented(augment: Augmentation, batch: Batch, *, seed: int, epoch: int) -> Batch:
    return augment(augment.drawn(batch, seed=seed, epoch=epoch))


def part(batch: Batch, i: int) -> Batch:
    """Sequence i alone, without padding."""
    length = int(batch.lengths[i])
    return Batch(
        rows=batch.rows[i : i + 1],
        features=batch.features[i : i + 1, :length],
        presence=batch.presence[i : i + 1, :length],
        lengths=batch.lengths[i : i + 1],
        targets=batch.targets[i : i + 1],
        target_lengths=batch.target_lengths[i : i + 1],
    )


EVERYTHING = {
    "tracks": {"frame_dropping": 0.3, "mirror_probability": 0.5, "body_scale": 0.2},
    "13 columns": {"frame_dropping": 0.3},
    "holistic": {"frame_dropping": 0.3, "mirror_probability": 0.5},
    "no origin": {"frame_dropping": 0.3, "body_scale": 0.2, "body_shift": 0.5},
}
NO_ORIGIN = replace(LAYOUTS["tracks"], origin=())


@pytest.mark.parametrize("name", list(EVERYTHING))
def test_a_sequence_is_augmented_alike_alone_and_in_any_batch(name: str) -> None:
    layout = LAYOUTS.get(name, NO_ORIGIN)
    batch = random_batch(layout, [31, 12, 20])
    settings = AugmentationSettings(**EVERYTHING[name])
    augment = Augmentation(layout, settings, 2, torch.ones(layout.columns))
    together = augmented(augment, batch, seed=3, epoch=2)
    for i in range(3):
        alone = augmented(augment, part(batch, i), seed=3, epoch=2)
        length = int(alone.lengths[0])
        assert int(together.lengths[i]) == length
        torch.testing.assert_close(
            together.features[i, :length], alone.features[0], atol=1e-4, rtol=1e-4
        )
        assert torch.equal(together.presence[i, :length], alone.presence[0])


def test_where_all_is_off_nothing_is_computed_and_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    augment, batch = augmentation(LAYOUTS["tracks"]), random_batch(LAYOUTS["tracks"], [31, 12])
    quick = augmented(augment, batch, seed=1, epoch=0)
    monkeypatch.setattr(AugmentationSettings, "is_off", False)
    slow = augmented(augment, batch, seed=1, epoch=0)
    assert torch.equal(quick.lengths, slow.lengths)
    for i, length in enumerate(batch.lengths.tolist()):
        torch.testing.assert_close(quick.features[i, :length], slow.features[i, :length])
        assert torch.equal(quick.presence[i, :length], slow.presence[i, :length])
    assert not AugmentationSettings(**OFF | {"zoom": 0.1}).is_off


def test_another_epoch_or_seed_or_row_gives_another_sequence() -> None:
    layout = LAYOUTS["tracks"]
    batch = random_batch(layout, [30])
    augment = augmentation(layout, jitter=0.1)
    first = augmented(augment, batch, seed=1, epoch=0).features
    assert torch.equal(first, augmented(augment, batch, seed=1, epoch=0).features)
    assert not torch.equal(first, augmented(augment, batch, seed=1, epoch=1).features)
    assert not torch.equal(first, augmented(augment, batch, seed=2, epoch=0).features)
    other_row = replace(batch, rows=batch.rows + 1)
    assert not torch.equal(first, augmented(augment, other_row, seed=1, epoch=0).features)


def test_all_off_changes_nothing() -> None:
    for layout in LAYOUTS.values():
        batch = random_batch(layout, [17])
        same = augmented(augmentation(layout), batch, seed=1, epoch=1)
        torch.testing.assert_close(same.features, batch.features, atol=1e-5, rtol=1e-5)
        assert torch.equal(same.presence, batch.presence)


@settings(deadline=None)
@given(frames=st.integers(1, 60), least=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_places_rise_from_the_first_to_the_last_frame(frames: int, least: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    places = random_places(frames, least, random, stretch=2.0, warp=0.5)
    assert max(least, frames / 2 - 1) <= len(places) <= max(least, 2 * frames + 1)
    assert (np.diff(places) >= 0).all()
    assert places[0] == 0
    if len(places) > 1:
        assert places[-1] == pytest.approx(frames - 1)


def test_no_sequence_becomes_shorter_than_its_labels_need() -> None:
    layout = LAYOUTS["13 columns"]
    batch = random_batch(layout, [12, 12])
    targets = torch.tensor([[1, 1, 2, 2], [1, 2, 3, 0]])
    batch = replace(batch, targets=targets, target_lengths=torch.tensor([4, 3]))
    augment = augmentation(layout, time_stretch=4)
    lengths = torch.stack([augmented(augment, batch, seed=1, epoch=e).lengths for e in range(50)])
    assert lengths[:, 0].min() == 12, "four tokens and two blanks at stride 2"
    assert lengths[:, 1].min() == 6


def test_what_can_just_be_aligned_is_not_made_longer_than_its_stretch() -> None:
    layout = LAYOUTS["13 columns"]
    batch = random_batch(layout, [5])
    batch = replace(batch, targets=torch.tensor([[1, 2, 3]]), target_lengths=torch.tensor([3]))
    augment = augmentation(layout, time_warp=0.1)
    assert augmented(augment, batch, seed=1, epoch=0).lengths.tolist() == [5], "not 3 x 2"


@pytest.mark.parametrize("setting", ["block_shift", "jitter"])
def test_a_body_twice_as_large_is_moved_twice_as_far(setting: str) -> None:
    layout = LAYOUTS["holistic"]
    batch = random_batch(layout, [9, 4])
    augment = augmentation(layout, **{setting: 0.1})
    assert augment.has_scale
    once = augmented(augment, batch, seed=1, epoch=0).features
    twice = augmented(augment, replace(batch, features=2 * batch.features), seed=1, epoch=0)
    assert not torch.equal(once, batch.features)
    torch.testing.assert_close(twice.features, 2 * once)


def test_resampling_is_linear_between_present_frames_and_absent_beside_a_gap() -> None:
    values = torch.arange(5.0)[None, :, None]
    presence = torch.tensor([[[True], [True], [False], [True], [True]]])
    places = torch.tensor([[0.0, 0.5, 1.0, 1.5, 3.5, 4.0, 0.0]])
    moved, seen = resample(values, presence, torch.tensor([5]), places, torch.tensor([6]))
    torch.testing.assert_close(moved[0, :6, 0], places[0, :6])
    assert seen[0, :, 0].tolist() == [True, True, True, False, True, True, False]


def test_image_changes_keep_the_origin_and_move_the_rest() -> None:
    layout = LAYOUTS["tracks"]
    batch = random_batch(layout, [200])
    batch = replace(batch, presence=torch.ones_like(batch.presence))
    moved = augmented(
        augmentation(layout, rotation=1.0, zoom=0.5, shear=0.3), batch, seed=1, epoch=0
    )
    face = layout.slices["face"]
    hand = layout.slices["left_hand"]
    torch.testing.assert_close(
        moved.features[..., face].mean(1), batch.features[..., face].mean(1), atol=1e-4, rtol=0
    )
    assert (moved.features[..., hand] - batch.features[..., hand]).abs().mean() > 0.05


def test_block_dropout_leaves_a_block_and_never_takes_the_origins() -> None:
    layout = LAYOUTS["tracks"]
    batch = random_batch(layout, [20])
    batch = replace(batch, presence=torch.ones_like(batch.presence))
    augment = augmentation(layout, block_dropout=1.0)
    presence = torch.cat(
        [augmented(augment, batch, seed=1, epoch=epoch).presence for epoch in range(20)]
    )
    assert presence[..., layout.block_index("face")].all()
    whole_hands_gone = ~presence[..., layout.block_index("left_hand")].any(dim=1)
    assert 3 <= whole_hands_gone.sum() <= 17, "whole or for a span"
    generic = random_batch(LAYOUTS["13 columns"], [20])
    hidden = augmented(
        augmentation(LAYOUTS["13 columns"], block_dropout=1.0), generic, seed=1, epoch=0
    )
    assert torch.equal(hidden.presence, generic.presence)


def test_block_dropout_never_takes_what_lengths_are_measured_with() -> None:
    pose = Block("pose", ("left_shoulder", "right_shoulder"), ("x", "y"))
    others = (Block("left_hand", ("centre",), ("x", "y")), Block("face", ("nose",), ("x", "y")))
    scale = ("pose.left_shoulder", "pose.right_shoulder")
    layout = Layout((pose, *others), origin=("face.nose",), scale=scale)
    batch = random_batch(layout, [20])
    batch = replace(batch, presence=torch.ones_like(batch.presence))
    augment = augmentation(layout, block_dropout=1.0)
    shown = torch.cat([augmented(augment, batch, seed=1, epoch=e).presence for e in range(5)])
    assert shown[..., layout.block_index("pose")].all()
    assert shown[..., layout.block_index("face")].all()
    assert not shown[..., layout.block_index("left_hand")].all()


def test_a_block_is_turned_about_its_middle() -> None:
    layout = mediapipe_holistic()
    batch = random_batch(layout, [6] * 8)
    turned = augmented(augmentation(layout, block_rotation=1.0), batch, seed=1, epoch=0)
    columns = [
        column
        for point in layout.block("left_hand").points
        for column in layout.point_columns(f"left_hand.{point}", ("x", "y"))
    ]
    before, after = (b.features[..., columns].unflatten(-1, (-1, 2)) for b in (batch, turned))
    torch.testing.assert_close(after.mean(dim=2), before.mean(dim=2), atol=1e-4, rtol=0)
    assert (after - before).abs().mean() > 0.05


def test_mirrored_twice_a_sequence_is_as_before() -> None:
    for name in ("tracks", "holistic"):
        batch = random_batch(LAYOUTS[name], [23, 11])
        inside = frame_mask(batch.lengths, 23)[..., None]
        batch = replace(batch, features=batch.features * inside, presence=batch.presence & inside)
        mirror = augmentation(LAYOUTS[name], mirror_probability=1)
        once = augmented(mirror, batch, seed=1, epoch=0)
        twice = augmented(mirror, once, seed=1, epoch=0)
        assert not torch.equal(once.presence, batch.presence)
        assert torch.equal(twice.presence, batch.presence)
        for i, frames in enumerate(batch.lengths.tolist()):
            torch.testing.assert_close(twice.features[i, :frames], batch.features[i, :frames])


def test_a_mirrored_signer_has_the_other_hands_and_the_same_body() -> None:
    """Features of the right hand become those of the left with x turned over, and so all others."""
    layout = LAYOUTS["holistic"]
    batch = random_batch(layout, [9])
    settings = FeatureSettings(groups=("position",))
    features = FeatureTransform(layout, settings, 25.0)
    mirrored = augmented(augmentation(layout, mirror_probability=1), batch, seed=1, epoch=0)
    before, _ = features.groups(batch.features, batch.presence, batch.lengths)
    after, _ = features.groups(mirrored.features, mirrored.presence, mirrored.lengths)
    turned = torch.tensor([-1.0, 1.0, 1.0])
    for ours, theirs in [
        ("left_hand.wrist", "right_hand.wrist"),
        ("right_hand.pinky_tip", "left_hand.pinky_tip"),
        ("pose.left_elbow", "pose.right_elbow"),
        ("pose.mouth_right", "pose.mouth_left"),
        ("pose.nose", "pose.nose"),
        ("face.point_33", "face.point_263"),
        ("face.nose", "face.nose"),
    ]:
        one = after[..., layout.point_columns(ours, ("x", "y", "z"))]
        other = before[..., layout.point_columns(theirs, ("x", "y", "z"))]
        torch.testing.assert_close(one, other * turned, atol=1e-2, rtol=1e-3)
    left, right = layout.block_index("left_hand"), layout.block_index("right_hand")
    assert torch.equal(mirrored.presence[..., left], batch.presence[..., right])
    assert torch.equal(mirrored.presence[..., right], batch.presence[..., left])
    face = layout.block_index("face")
    assert torch.equal(mirrored.presence[..., face], batch.presence[..., face])


def test_a_mirrored_hand_stays_at_its_arm() -> None:
    layout = mediapipe_holistic()
    sequence = performances(1, 0, 0, seed=3, num_signers=4)[0].sequence()
    frames = len(sequence.features)
    batch = replace(
        random_batch(layout, [frames]),
        features=torch.from_numpy(np.array(sequence.features, np.float32))[None],
        presence=torch.from_numpy(np.array(sequence.presence, bool))[None],
    )
    mirrored = augmented(augmentation(layout, mirror_probability=1), batch, seed=1, epoch=0)
    for side in ("left", "right"):
        seen = mirrored.presence[0, :, layout.block_index(f"{side}_hand")]
        assert seen.any()
        hand, arm = (
            mirrored.features[0, seen][:, layout.point_columns(point, ("x", "y"))]
            for point in (f"{side}_hand.wrist", f"pose.{side}_wrist")
        )
        assert (hand - arm).norm(dim=1).mean() < 0.05


def test_about_as_many_sequences_are_mirrored_as_asked_for() -> None:
    batch = random_batch(LAYOUTS["tracks"], [5] * 200)
    mirrored = augmented(
        augmentation(LAYOUTS["tracks"], mirror_probability=0.25), batch, seed=1, epoch=0
    )
    changed = (mirrored.features - batch.features).abs().amax(dim=(1, 2)) > 1e-3
    assert 30 <= int(changed.sum()) <= 70


@pytest.mark.parametrize(
    ("layout", "given", "named"),
    [
        ("13 columns", {"rotation": 0.5, "zoom": 0.1, "jitter": 0.1}, ["rotation", "zoom"]),
        ("13 columns", {"block_shift": 0.1, "block_rotation": 0.0}, ["block_shift"]),
        ("13 columns", {}, []),
        ("tracks", {"rotation": 0.5, "block_shift": 0.1}, []),
        ("tracks", {"time_masks": 0, "time_mask_share": 0.3}, ["time_mask_share"]),
        ("tracks", {"time_mask_share": 0.3}, []),
    ],
)
def test_what_was_given_and_changes_nothing_is_named(
    layout: str, given: dict[str, float], named: list[str]
) -> None:
    found = AugmentationSettings(**given).without_effect(LAYOUTS[layout])
    assert [text.partition(" ")[0] for text in found] == named


def test_settings_without_an_effect_are_refused() -> None:
    for name, option, why in [
        ("13 columns", "mirror_probability", "block 'features' has no x"),
        ("13 columns", "body_scale", "no block of the layout has x and y"),
        ("13 columns", "body_shift", "no block of the layout has x and y"),
        ("holistic", "body_scale", "scale points undo it"),
        ("holistic", "body_shift", "origin undoes it"),
        ("tracks", "body_shift", "origin undoes it"),
    ]:
        with pytest.raises(ValueError, match=f"{option}.*{why}"):
            augmentation(LAYOUTS[name], **{option: 0.5})
    with pytest.raises(ValueError, match="names no origin"):
        augmentation(NO_ORIGIN, mirror_probability=0.5)


def test_the_whole_body_is_shifted_and_scaled_without_being_distorted() -> None:
    batch = random_batch(NO_ORIGIN, [8])
    moved = augmented(augmentation(NO_ORIGIN, body_shift=1.0), batch, seed=1, epoch=0)
    shift = (moved.features - batch.features).unflatten(-1, (3, 2))
    torch.testing.assert_close(shift, shift[:, :1, :1].expand_as(shift), atol=1e-4, rtol=1e-4)
    assert shift.abs().mean() > 0.05
    scaled = augmented(augmentation(NO_ORIGIN, body_scale=0.5), batch, seed=1, epoch=0)
    factor = scaled.features / batch.features
    torch.testing.assert_close(factor, factor[:, :1, :1].expand_as(factor), atol=1e-3, rtol=1e-3)
    assert abs(float(factor.mean()) - 1) > 0.05


def test_dropped_frames_are_gone_and_the_others_stay_in_order() -> None:
    layout = generic_layout(1)
    batch = random_batch(layout, [400])
    batch = replace(batch, features=torch.arange(400.0)[None, :, None])
    kept = augmented(augmentation(layout, frame_dropping=0.25), batch, seed=1, epoch=0)
    assert 270 <= int(kept.lengths[0]) <= 330
    values = kept.features[0, :, 0]
    assert (values.diff() >= 1 - 1e-3).all()
    torch.testing.assert_close(values, values.round(), atol=1e-3, rtol=0)


@settings(deadline=None, max_examples=60)
@given(
    frames=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    tokens=st.lists(st.integers(1, 3), min_size=1, max_size=8),
    stretch=st.floats(1, 3),
    dropping=st.floats(0, 1),
    stride=st.sampled_from([1, 2, 4]),
    batch_frames=st.integers(1, 300),
    seed=st.integers(0, 2**31),
)
def test_labels_stay_alignable_and_micro_batches_inside_their_budget(
    frames: list[int],
    tokens: list[int],
    stretch: float,
    dropping: float,
    stride: int,
    batch_frames: int,
    seed: int,
) -> None:
    required = required_output_length(tokens)
    lengths = np.array(frames) + (required - 1) * stride
    rows = np.arange(len(frames))
    data = TrainData(
        rows=rows,
        frames=lengths,
        shards=np.zeros_like(rows),
        targets={int(row): tokens for row in rows},
        sources=[],
        separator=[],
        dropped=[],
    )
    options = build_settings(
        {
            "data_dir": "c",
            "output_dir": "r",
            "batch_frames": batch_frames,
            "seed": seed,
            "epochs": 2,
        }
        | {
            "epochs": 2,
            "time_stretch": stretch,
            "frame_dropping": dropping,
            "output_stride": stride,
        }
        | {"reduction": stride}
    )
    augment = Augmentation(generic_layout(1), options.augmentation, stride, torch.ones(1))
    for micro_batch in make_epoch(options, data, 0).plan:
        batch = replace(
            random_batch(generic_layout(1), lengths[micro_batch].tolist()),
            rows=torch.from_numpy(micro_batch),
            targets=torch.tensor([tokens] * len(micro_batch)),
            target_lengths=torch.full((len(micro_batch),), len(tokens)),
        )
        made = augmented(augment, batch, seed=seed, epoch=0)
        assert (-(-made.lengths // stride) >= required).all()
        assert made.features.shape[1] == int(made.lengths.max())
        assert len(micro_batch) == 1 or made.features[..., 0].numel() <= batch_frames
