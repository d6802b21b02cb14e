"""Augmentation depends on the work alone, and labels stay alignable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models_helpers import LAYOUTS, random_batch

from slr_accel.corpus.layout import Layout
from slr_accel.features.augmentation import Augmentation
from slr_accel.features.resampling import random_places, resample
from slr_accel.features.settings import AugmentationSettings
from slr_accel.loading.loader import Batch

OFF = dict.fromkeys(AugmentationSettings.model_fields, 0) | {"time_stretch": 1}


def augmentation(layout: Layout, **changed: float) -> Augmentation:
    options = AugmentationSettings(**(OFF | changed))
    return Augmentation(layout, options, 2, torch.full((layout.columns,), 0.5))


def part(batch: Batch, i: int) -> Batch:
    """Sequence i alone, without padding."""
    length = int(batch.lengths[i])
    fields = {name: getattr(batch, name)[i : i + 1] for name in batch.__dataclass_fields__}
    fields["features"] = fields["features"][:, :length]
    fields["presence"] = fields["presence"][:, :length]
    return Batch(**fields)


@pytest.mark.parametrize("name", ["tracks", "13 columns"])
def test_a_sequence_is_augmented_alike_alone_and_in_any_batch(name: str) -> None:
    layout = LAYOUTS[name]
    batch = random_batch(layout, [31, 12, 20])
    augment = Augmentation(layout, AugmentationSettings(), 2, torch.ones(layout.columns))
    together = augment(batch, seed=3, epoch=2)
    for i in range(3):
        alone = augment(part(batch, i), seed=3, epoch=2)
        length = int(alone.lengths[0])
        assert int(together.lengths[i]) == length
        torch.testing.assert_close(together.features[i, :length], alone.features[0])
        assert torch.equal(together.presence[i, :length], alone.presence[0])


def test_another_epoch_or_seed_or_row_gives_another_sequence() -> None:
    layout = LAYOUTS["tracks"]
    batch = random_batch(layout, [30])
    augment = augmentation(layout, jitter=0.1)
    first = augment(batch, seed=1, epoch=0).features
    assert torch.equal(first, augment(batch, seed=1, epoch=0).features)
    assert not torch.equal(first, augment(batch, seed=1, epoch=1).features)
    assert not torch.equal(first, augment(batch, seed=2, epoch=0).features)
    other_row = replace(batch, rows=batch.rows + 1)
    assert not torch.equal(first, augment(other_row, seed=1, epoch=0).features)


def test_all_off_changes_nothing() -> None:
    for layout in LAYOUTS.values():
        batch = random_batch(layout, [17])
        same = augmentation(layout)(batch, seed=1, epoch=1)
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
    lengths = torch.stack([augment(batch, seed=1, epoch=e).lengths for e in range(50)])
    assert lengths[:, 0].min() == 12, "four tokens and two blanks at stride 2"
    assert lengths[:, 1].min() == 6


def test_resampling_is_linear_between_present_frames_and_absent_beside_a_gap() -> None:
    values = torch.arange(5.0)[None, :, None]
    presence = torch.tensor([[[True], [True], [False], [True], [True]]])
    places = [np.array([0.0, 0.5, 1.0, 1.5, 3.5, 4.0])]
    moved, seen, lengths = resample(values, presence, torch.tensor([5]), places)
    torch.testing.assert_close(moved[0, :, 0], torch.tensor([0.0, 0.5, 1.0, 1.5, 3.5, 4.0]))
    assert seen[0, :, 0].tolist() == [True, True, True, False, True, True]
    assert lengths.tolist() == [6]


def test_image_changes_keep_the_origin_and_move_the_rest() -> None:
    layout = LAYOUTS["tracks"]
    batch = random_batch(layout, [200])
    batch = replace(batch, presence=torch.ones_like(batch.presence))
    moved = augmentation(layout, rotation=1.0, zoom=0.5, shear=0.3)(batch, seed=1, epoch=0)
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
    presence = torch.cat([augment(batch, seed=1, epoch=epoch).presence for epoch in range(20)])
    assert presence[..., layout.block_index("face")].all()
    whole_hands_gone = ~presence[..., layout.block_index("left_hand")].any(dim=1)
    assert 3 <= whole_hands_gone.sum() <= 17, "whole or for a span"
    generic = random_batch(LAYOUTS["13 columns"], [20])
    hidden = augmentation(LAYOUTS["13 columns"], block_dropout=1.0)(generic, seed=1, epoch=0)
    assert torch.equal(hidden.presence, generic.presence)
