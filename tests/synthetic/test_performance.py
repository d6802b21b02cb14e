"""The synthetic signer is deterministic and plausible, and only the order of frames tells all."""

import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.corpus.precision import TOLERANCE
from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.layouts.named_layouts import HAND_POINTS, POSE_POINTS, mediapipe_holistic
from slr_accel.synthetic.performance import Performance, Signer, make_signers, perform, performances
from slr_accel.synthetic.signer import SHOULDER_WIDTHS, signer_named
from slr_accel.synthetic.signs import (
    BACKWARDS,
    HAND_PARAMETERS,
    LEXICON,
    hand_points,
    sign_for,
    split_sentences,
)

LAYOUT = mediapipe_holistic()
BODY_AND_HANDS = ("pose", "left_hand", "right_hand")


def sequences_of(*numbers: int, **options: int) -> list[Sequence]:
    return [performance.sequence() for performance in performances(*numbers, **options)]


SENTENCE = ["TODAY", "MOTHER", "BOOK", "GIVE"]


def rng_of(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def still_signer() -> Signer:
    """Someone who performs a sign the same way each time, before a perfect detector."""
    signer = replace(make_signers(1, 0)[0], center=(0.5, 0.45))
    return replace(signer, variation=0.0, noise=0.0, sway=0.0, dropout=0.0)


def points(features: np.ndarray, block: str) -> np.ndarray:
    """[T, points, 3]"""
    return features[:, LAYOUT.slices[block]].reshape(len(features), -1, 3)


def body_normalised(features: np.ndarray) -> np.ndarray:
    """[T, D]: wrists from the middle of the body, and hands from their wrists, in body widths."""
    left, right = (
        features[:, LAYOUT.point_columns(name, ("x", "y", "z"))] for name in LAYOUT.scale
    )
    wrists = [
        features[:, LAYOUT.point_columns(f"pose.{side}_wrist", ("x", "y", "z"))]
        - (left + right) / 2
        for side in ("left", "right")
    ]
    shapes = [points(features, f"{side}_hand") for side in ("left", "right")]
    shapes = [(hand - hand[:, :1]).reshape(len(hand), -1) for hand in shapes]  # absent stays 0
    return np.hstack(wrists + shapes) / np.linalg.norm(left - right, axis=1).mean()


# Determinism and sentences


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another():
    first, again, other = (sequences_of(4, 1, 1, seed=seed) for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        assert (a.id, a.signer, a.labels, a.segments) == (b.id, b.signer, b.labels, b.segments)
        np.testing.assert_array_equal(a.features, b.features)
        np.testing.assert_array_equal(a.presence, b.presence)
    assert [s.labels for s in first] != [s.labels for s in other]
    assert make_signers(1, 3) != make_signers(1, 4)


def test_more_train_sentences_leave_the_first_ones_as_they_were():
    few, many = sequences_of(3, 0, 0, seed=5), sequences_of(6, 0, 0, seed=5)
    for a, b in zip(few, many, strict=False):
        assert a.id == b.id
        np.testing.assert_array_equal(a.features, b.features)


@settings(max_examples=20, deadline=None)
@given(st.integers(10, 400), st.integers(0, 20), st.integers(0, 20), st.integers(0, 10**6))
def test_no_sentence_comes_twice_and_dev_and_test_use_train_glosses(train, dev, test, seed):
    splits = split_sentences(train, dev, test, rng_of(seed))
    assert [len(split) for split in splits] == [train, dev, test]
    sentences = [tuple(sentence) for split in splits for sentence in split]
    assert len(set(sentences)) == len(sentences)
    assert {len(sentence) for sentence in sentences} <= {3, 4, 5, 6, 7}
    known = {gloss for sentence in splits[0] for gloss in sentence}
    assert {gloss for split in splits[1:] for sentence in split for gloss in sentence} <= known


def test_a_corpus_of_some_hundred_sentences_uses_every_gloss_of_the_lexicon():
    train, _, _ = split_sentences(300, 0, 0, rng_of(0))
    assert {gloss for sentence in train for gloss in sentence} == set(LEXICON)


def test_rows_are_named_by_split_and_number_and_float32_in_the_layouts_columns():
    rows = sequences_of(12, 2, 1, seed=0, num_signers=2)
    assert [row.id for row in rows[:2]] == ["train-00000", "train-00001"]
    assert [(row.split, row.id) for row in rows[12:]] == [
        *[("dev", "dev-00000"), ("dev", "dev-00001")],
        ("test", "test-00000"),
    ]
    assert {row.signer for row in rows} == {"signer00", "signer01"}
    for row in rows:
        assert row.features.shape == (len(row.features), LAYOUT.columns)
        assert row.presence.shape == (len(row.features), len(LAYOUT.blocks))
        assert (row.features.dtype, row.presence.dtype) == (np.float32, np.bool_)
        assert [segment.label for segment in row.segments] == row.labels


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0, 0, 0), "num_train"),
        ((5, -1, 0), "num_dev"),
        ((36_000, 500, 500), "ask for fewer"),
        ((1, 30, 30), "raise num_train"),
    ],
)
def test_impossible_numbers_are_refused_at_once_with_the_way_out(numbers, words):
    with pytest.raises(ValueError, match=words):
        performances(*numbers, seed=0)


# One performance


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([*LEXICON, "WETTER", "é", ""]), min_size=1, max_size=9),
    st.integers(0, 60),
    st.integers(0, 5),
)
def test_a_performance_has_the_frames_asked_for_and_a_segment_a_gloss(glosses, extra, number):
    num_frames = 4 * len(glosses) + 4 + extra
    signer = replace(make_signers(6, 1)[number], variation=0.14)
    features, presence, segments = perform(glosses, signer, rng_of(extra), num_frames=num_frames)
    assert len(features) == len(presence) == num_frames
    assert np.isfinite(features).all()
    assert [segment.label for segment in segments] == glosses
    edges = [edge for start, end, _ in segments for edge in (start, end)]
    assert edges == sorted(edges)
    assert edges[0] > 0 and edges[-1] < num_frames
    assert all(start < end for start, end, _ in segments)


def test_too_few_frames_or_no_gloss_are_refused():
    signer = make_signers(1, 0)[0]
    with pytest.raises(ValueError, match="at least 20 frames"):
        perform(SENTENCE, signer, rng_of(0), num_frames=19)
    with pytest.raises(ValueError, match="at least one gloss"):
        perform([], signer, rng_of(0))


def test_more_frames_than_a_sentence_can_have_are_refused_before_any_signing():
    signers = tuple(make_signers(1, 0))
    with pytest.raises(ValueError, match="s7: num_frames is more than 90,000"):
        Performance("s7", "train", SENTENCE, signers, (0,), num_frames=10**30)


def test_absent_blocks_are_zero_and_each_kind_of_absence_occurs():
    rows = sequences_of(60, 0, 0, seed=2)
    for row in rows:
        for i, block in enumerate(LAYOUT.blocks):
            values = row.features[:, LAYOUT.slices[block.name]]
            np.testing.assert_array_equal(values.any(axis=1), row.presence[:, i])
    present = np.concatenate([row.presence for row in rows]).mean(axis=0)
    share = {block.name: present[i] for i, block in enumerate(LAYOUT.blocks)}
    assert share["pose"] == 1
    assert 0.9 < share["face"] < 1
    assert 0.3 < share["left_hand"] < share["right_hand"] < 0.95  # most lead with the right


@pytest.mark.parametrize("number", range(8))
def test_float16_holds_even_the_narrowest_signers_frames(number):
    signer = replace(make_signers(8, 4)[number], shoulder_width=SHOULDER_WIDTHS[0], noise=0.01)
    for gloss in LEXICON:
        features, _, _ = perform([gloss], signer, rng_of(number))
        rounding = np.abs(features.astype(np.float16).astype(np.float32) - features).max()
        assert rounding <= TOLERANCE * signer.shoulder_width
        for name in ("x", "y"):
            columns = [LAYOUT.point_columns(f"pose.{p}", (name,))[0] for p in POSE_POINTS]
            assert 0 <= features[:, columns].min() < features[:, columns].max() <= 1


def test_a_named_signer_is_the_same_everywhere_and_like_no_other():
    signers = [signer_named(f"Signer{number:02d}") for number in range(50)]
    assert signers[3] == signer_named("Signer03")
    assert len({(s.shoulder_width, s.arm, s.noise) for s in signers}) == 50
    assert 0 < sum(signer.left_handed for signer in signers) < 15


def test_fast_hands_are_missed_more_often():
    signer = replace(make_signers(1, 0)[0], rest=(0.4, 1.0, -0.2), dropout=0.05)
    index = LAYOUT.block_index("right_hand")
    missed = {
        n: np.mean(
            [~perform(SENTENCE, signer, rng_of(i), num_frames=n)[1][:, index] for i in range(30)]
        )
        for n in (30, 120)
    }
    assert missed[30] > 1.5 * missed[120]


def test_every_detected_hand_is_at_its_own_wrist_of_the_pose():
    for row in sequences_of(40, 0, 0, seed=3):
        wrists = {
            side: row.features[:, LAYOUT.point_columns(f"pose.{side}_wrist", ("x", "y"))]
            for side in ("left", "right")
        }
        for side, other in (("left", "right"), ("right", "left")):
            seen = row.presence[:, LAYOUT.block_index(f"{side}_hand")]
            hand = row.features[:, LAYOUT.point_columns(f"{side}_hand.wrist", ("x", "y"))]
            own = np.linalg.norm(hand - wrists[side], axis=1)[seen]
            assert (own < np.linalg.norm(hand - wrists[other], axis=1)[seen]).all()
            assert (own < 0.03).all()


def test_a_left_hander_mirrors_a_right_hander():
    right, left = still_signer(), replace(still_signer(), left_handed=True)
    a, b = (perform(SENTENCE, signer, rng_of(1))[0] for signer in (right, left))
    for side, other in (("left", "right"), ("right", "left")):
        mirrored = points(b, f"{other}_hand") * (-1, 1, 1)
        mirrored[..., 0] += mirrored.any(axis=(1, 2))[:, None]  # absent stays 0
        np.testing.assert_allclose(points(a, f"{side}_hand"), mirrored, atol=1e-6)


def test_all_points_move_with_the_body():
    features = perform(SENTENCE, replace(still_signer(), sway=0.04), rng_of(0))[0]
    for block in ("pose", "face"):
        assert (points(features, block)[..., 0].std(axis=0) > 0.001).all()


def test_signs_run_into_each_other_without_a_rest_between():
    signer = still_signer()
    features, _, segments = perform(["MOTHER", "FATHER"], signer, rng_of(0))
    height = features[:, LAYOUT.point_columns("pose.right_wrist", ("y",))].ravel()
    between = height[segments[0].end : segments[1].start]
    assert len(between) >= 3
    assert between.max() < height[0] - 0.2  # nowhere near the resting hand
    jumps = np.abs(
        np.diff(features[:, LAYOUT.point_columns("pose.right_wrist", ("x", "y"))], axis=0)
    )
    assert jumps.max() < 0.2


# Signs


def test_the_sign_of_an_unknown_gloss_depends_on_its_name_alone():
    code = (
        "from slr_accel.synthetic.signs import sign_for; "
        "print(float(sign_for('WETTER').path.sum()))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert float(printed) == sign_for("WETTER").path.sum()


def test_a_thousand_unknown_glosses_have_a_thousand_signs():
    signs = [sign_for(f"NAME-{i}") for i in range(1000)]
    tracks = np.stack([np.hstack([s.place + s.path, s.hand]).ravel() for s in signs])
    squares = (tracks**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * tracks @ tracks.T + 1e6 * np.eye(len(tracks))
    assert distance.min() > 0.5


@given(st.lists(st.floats(-1, 1), min_size=HAND_PARAMETERS, max_size=HAND_PARAMETERS))
def test_a_hand_bends_at_its_joints_and_keeps_the_length_of_its_bones(hand):
    def bones(parameters):
        joints = hand_points(np.asarray(parameters))
        at = dict(zip(HAND_POINTS, joints, strict=True))
        chains = [[p for p in HAND_POINTS if p.startswith(f)] for f in ("thumb", "index", "pinky")]
        return [np.linalg.norm(at[a] - at[b]) for c in chains for a, b in pairwise(c)]

    np.testing.assert_allclose(bones(hand), bones(np.zeros(HAND_PARAMETERS)))


def test_a_pointing_hand_stretches_its_index_finger_only():
    joints = hand_points(LEXICON["YOU"].hand[0])
    reach = dict(zip(HAND_POINTS, np.linalg.norm(joints, axis=1), strict=True))
    others = [reach[f"{finger}_tip"] for finger in ("thumb", "middle", "ring", "pinky")]
    assert reach["index_tip"] > 1.4 * max(others)


# What it takes to recognise them


@pytest.mark.parametrize(("gloss", "opposite"), BACKWARDS.items())
def test_a_backwards_pair_shows_the_same_frames_in_opposite_order(gloss, opposite):
    one, other = (perform([g], still_signer(), rng_of(0))[0] for g in (gloss, opposite))
    for block in BODY_AND_HANDS[1:]:
        np.testing.assert_allclose(points(one, block), points(other, block)[::-1], atol=1e-5)
    # ... and the two are not one sign:
    wrist = LAYOUT.point_columns("pose.right_wrist", ("x", "y"))
    assert np.abs(one[:, wrist] - other[:, wrist]).max() > 0.05


@pytest.fixture(scope="module")
def isolated() -> dict[int, dict[str, list[np.ndarray]]]:
    """Each gloss alone, three times, by five right-handers: signer -> gloss -> [T, D] each."""
    signers = [signer for signer in make_signers(6, 11) if not signer.left_handed]
    return {
        number: {
            gloss: [
                stroke(*perform([gloss], signer, rng_of(number, word, take))) for take in range(3)
            ]
            for word, gloss in enumerate(LEXICON)
        }
        for number, signer in enumerate(signers)
    }


def stroke(features: np.ndarray, _: np.ndarray, segments: list[Segment]) -> np.ndarray:
    return body_normalised(features)[segments[0].start - 1 : segments[0].end + 1]


def in_order(frames: np.ndarray) -> np.ndarray:
    """A performance as 16 frames, evenly over its time."""
    return frames[np.linspace(0, len(frames) - 1, 16).round().astype(int)].ravel()


def bag_distance(frames: np.ndarray, bag: np.ndarray) -> float:
    """Mean distance of each frame to the nearest in the bag, the order of both unused."""
    squares = (frames**2).sum(1)[:, None] + (bag**2).sum(1) - 2 * frames @ bag.T
    return float(squares.min(axis=1).mean())


def test_the_order_of_frames_tells_glosses_of_an_unseen_signer_apart(isolated):
    right = total = 0
    for held_out, of_signer in isolated.items():
        known = [
            (gloss, in_order(take))
            for number, of in isolated.items()
            if number != held_out
            for gloss, takes in of.items()
            for take in takes
        ]
        known_frames = np.stack([frames for _, frames in known])
        for gloss, takes in of_signer.items():
            for take in takes:
                distance = ((known_frames - in_order(take)) ** 2).sum(axis=1)
                right += known[int(distance.argmin())][0] == gloss
                total += 1
    assert right / total > 0.9


def test_single_frames_without_order_cannot_tell_a_backwards_pair_apart(isolated):
    by_bag, by_order = [], []
    for held_out, of_signer in isolated.items():
        others = [of for number, of in isolated.items() if number != held_out]
        for pair in BACKWARDS.items():
            bags = {g: np.concatenate([t for of in others for t in of[g]]) for g in pair}
            means = {
                g: np.mean([in_order(t) for of in others for t in of[g]], axis=0) for g in pair
            }
            for gloss in pair:
                for take in of_signer[gloss]:
                    nearest = min(pair, key=lambda g: bag_distance(take, bags[g]))
                    by_bag.append(nearest == gloss)
                    nearest = min(pair, key=lambda g: ((means[g] - in_order(take)) ** 2).sum())
                    by_order.append(nearest == gloss)
    assert 0.35 < np.mean(by_bag) < 0.65
    assert np.mean(by_order) > 0.9
