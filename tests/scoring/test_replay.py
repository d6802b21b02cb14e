"""A clip holds the landmarks to a two-hundredth of the picture, and says what is absent."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_helpers import tiny_sequences, write_tiny

from slr_accel.corpus.reader import open_corpus
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.scoring.replay import ABSENT, MOST_FRAMES, clip, skeleton


def unpacked(packed: dict, points: int) -> np.ndarray:
    data = np.frombuffer(b64decode(packed["data"]), np.uint8)
    return data.reshape(packed["frames"], points, 2)


def test_points_keep_their_places(tmp_path: Path) -> None:
    corpus = open_corpus(write_tiny(tmp_path / "corpus", tiny_sequences(2)))
    packed = clip(corpus, 0, 25.0)
    coded, there = unpacked(packed, 2), corpus.presence(0)
    assert packed["frames"] == len(there) and packed["rate"] == 25
    np.testing.assert_array_equal((coded == ABSENT).all(axis=2), ~there)
    for axis in (0, 1):
        known = there[:, 1]
        true = corpus.features(0)[known, 2 + axis].astype(float)
        shown = coded[known, 1, axis] / 254
        slope, offset = np.polyfit(shown, true, 1)
        span = np.abs(slope * shown + offset - true).max() / abs(slope)
        assert span < 1 / 200


def test_long_sequences_are_thinned_out_at_the_same_speed(tmp_path: Path) -> None:
    [sequence] = tiny_sequences(1)
    frames = 2 * MOST_FRAMES + 1
    times = -(-frames // len(sequence.features))
    longer = replace(
        sequence,
        features=np.tile(sequence.features, (times, 1))[:frames],
        presence=np.tile(sequence.presence, (times, 1))[:frames],
    )
    corpus = open_corpus(write_tiny(tmp_path / "corpus", [longer]))
    packed = clip(corpus, 0, 30.0)
    assert packed["frames"] <= MOST_FRAMES
    assert packed["frames"] / packed["rate"] == pytest.approx(frames / 30, abs=0.1)


def test_the_skeleton_has_body_and_hands_without_the_face() -> None:
    drawn = skeleton(mediapipe_holistic())
    assert len(drawn["points"]) == 75
    assert "face" not in drawn["names"]
    blocks = {frozenset(drawn["points"][i] for i in bone) for bone in drawn["bones"]}
    assert all(len(block) == 1 for block in blocks), "a bone joins points of one block"


def test_columns_without_points_are_not_drawn() -> None:
    assert skeleton(generic_layout(40))["points"] == []
    assert skeleton(Layout((Block("depth", ("a",), ("z",)),)))["points"] == []
