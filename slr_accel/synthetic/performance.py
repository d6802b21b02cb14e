"""Generates signing as MediaPipe Holistic would see it: a corpus for tests and a first run.

A sentence is a track of hand places and shapes (`signs`), moved by a signer's body, seen by a
camera, and sometimes missed by a detector. The seed determines everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.synthetic.joining import minimum_jerk
from slr_accel.synthetic.signer import FRAMES_PER_SECOND, LAYOUT, Signer, body_points, make_signers
from slr_accel.synthetic.signs import (
    HAND_PARAMETERS,
    PATH_STEPS,
    REST_HAND,
    Sign,
    sign_for,
    split_sentences,
)

WIDTH_OVER_HEIGHT = 4 / 3
EDGE = 0.03
"""Points beyond the frame, or closer to its edge than this, are detected here: the noise must not
leave the frame, so that float16 is precise enough."""
SPLITS = ("train", "dev", "test")
MOST_FRAMES = 90_000
"""An hour."""


@dataclass(frozen=True)
class Performance:
    """A sentence that is to be signed."""

    id: str
    split: str
    glosses: list[str]
    signers: tuple[Signer, ...]
    """One of them, drawn by the seed, signs it."""
    seed: tuple[int, ...]
    num_frames: int | None = None
    """None: as many as the signer needs."""

    def __post_init__(self) -> None:
        if self.num_frames is not None and self.num_frames > MOST_FRAMES:
            raise ValueError(
                f"{self.id}: num_frames is more than {MOST_FRAMES:,}, an hour; correct it"
            )

    def sequence(self) -> Sequence:
        """Signs it; the result is the same at every call."""
        rng = np.random.default_rng(self.seed)
        signer = self.signers[rng.integers(len(self.signers))]
        features, presence, segments = perform(
            self.glosses, signer, rng, num_frames=self.num_frames
        )
        return Sequence(
            self.id, self.split, signer.name, features, presence, self.glosses, segments
        )


def performances(
    num_train: int, num_dev: int, num_test: int, *, seed: int, num_signers: int = 6
) -> list[Performance]:
    """Draws different sentences for the splits train, dev and test.

    All glosses of dev and test occur in train. Raises ValueError where the grammar has too few
    sentences.
    """
    if num_train < 1 or min(num_dev, num_test) < 0 or num_signers < 1 or seed < 0:
        raise ValueError(
            "num_train and num_signers must be 1 or more, num_dev, num_test and seed 0 or more; "
            f"got {num_train=}, {num_signers=}, {num_dev=}, {num_test=}, {seed=}"
        )
    splits = split_sentences(num_train, num_dev, num_test, np.random.default_rng(seed))
    signers = tuple(make_signers(num_signers, seed))
    return [
        Performance(f"{split}-{number:05d}", split, sentence, signers, (seed, s + 2, number))
        for s, (split, sentences) in enumerate(zip(SPLITS, splits, strict=True))
        for number, sentence in enumerate(sentences)
    ]


def perform(
    glosses: list[str], signer: Signer, rng: np.random.Generator, *, num_frames: int | None = None
) -> tuple[np.ndarray, np.ndarray, list[Segment]]:
    """Signs a sentence from rest to rest; without `num_frames` as long as the signer needs.

    A gloss outside the lexicon has a sign of its own that depends on its name alone.

    Returns features [T, 1629] float32 in the columns of `mediapipe_holistic`, fractions of the
    frame; presence [T, blocks] bool; and one segment a gloss, without transitions.
    """
    if not glosses:
        raise ValueError("a sentence needs at least one gloss")
    fewest = fewest_frames(len(glosses))
    if num_frames is not None and num_frames < fewest:
        raise ValueError(
            f"{len(glosses)} glosses need at least {fewest} frames, not {num_frames}: "
            "raise num_frames"
        )
    signs = [sign_for(gloss) for gloss in glosses]
    knots = _knots(signs, signer, rng, num_frames)
    edges = np.ceil(knots - 0.5).astype(int)  # a frame belongs to the piece with its middle
    strokes = zip(edges[2:-2:2].tolist(), edges[3:-1:2].tolist(), glosses, strict=True)
    track = _track(signs, knots, signer, rng)
    blocks = body_points(track, signer, rng)
    features, presence = _film(blocks, signer, rng)
    return features, presence, [Segment(*stroke) for stroke in strokes]


def fewest_frames(num_glosses: int) -> int:
    """The fewest frames in which signs can be told apart: four each, and four for the rests."""
    return 4 * num_glosses + 4


def _knots(
    signs: list[Sign], signer: Signer, rng: np.random.Generator, num_frames: int | None
) -> np.ndarray:
    """[2N + 4] times in frames at which rest, way, sign, way, sign, ..., way, rest begin or end."""
    ends = [signer.rest, *(sign.place + sign.path[-1] for sign in signs)]
    begins = [*(sign.place + sign.path[0] for sign in signs), signer.rest]
    lengths = np.full(2 * len(signs) + 3, 0.3)
    lengths[2:-2:2] = [0.64 * sign.duration for sign in signs]
    # A longer way takes longer, but not in proportion.
    lengths[1:-1:2] = 0.2 + 0.25 * np.linalg.norm(np.subtract(begins, ends), axis=1)
    lengths *= signer.frames_per_gloss
    lengths *= 1 + signer.variation * rng.uniform(-1, 1, len(lengths))
    times = np.concatenate([[0.0], np.cumsum(lengths)])
    return times * ((num_frames or round(times[-1])) / times[-1])


def _track(
    signs: list[Sign], knots: np.ndarray, signer: Signer, rng: np.random.Generator
) -> np.ndarray:
    """[T, 2, 3 + HAND_PARAMETERS]: wrist and shape of the leading and the other hand."""
    rest = np.broadcast_to([*signer.rest, *REST_HAND], (1, 2, 3 + HAND_PARAMETERS))
    keys = np.concatenate([rest, *(_sign_keys(sign, signer, rng) for sign in signs), rest])
    begins = 1 + PATH_STEPS * np.arange(len(signs))
    strokes = np.stack([begins, begins + PATH_STEPS - 1], axis=1).ravel()
    stops = np.array([0, 0, *strokes, len(keys) - 1, len(keys) - 1])  # the key at each knot

    times = np.arange(round(knots[-1])) + 0.5
    piece = np.searchsorted(knots, times, side="right") - 1
    phase = (times - knots[piece]) / (knots[piece + 1] - knots[piece])
    eased = minimum_jerk(phase)
    is_stroke = stops[piece + 1] - stops[piece] > 1
    eased = np.where(is_stroke, (phase + eased) / 2, eased)  # a hand does not halt at each sign
    position = stops[piece] + eased * (stops[piece + 1] - stops[piece])
    before = np.minimum(position.astype(int), len(keys) - 2)
    share = (position - before)[:, None, None]
    track = keys[before] + share * (keys[before + 1] - keys[before])
    # Coarticulation: each sign is pulled a little towards its neighbours in time.
    padded = np.pad(track, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4


def _sign_keys(sign: Sign, signer: Signer, rng: np.random.Generator) -> np.ndarray:
    """[PATH_STEPS, 2, 3 + HAND_PARAMETERS]: the sign as this signer makes it this time."""
    place = sign.place + 0.6 * signer.variation * rng.uniform(-1, 1, 3)
    path = sign.path * signer.amplitude * (1 + signer.variation * rng.uniform(-1, 1))
    hand = sign.hand + 0.5 * signer.variation * rng.normal(size=HAND_PARAMETERS)
    leading = np.concatenate([place + path, hand], axis=1)
    if sign.other:
        other = np.concatenate([place + sign.other * path, hand], axis=1)
    else:
        other = np.broadcast_to([*signer.rest, *REST_HAND], leading.shape)
    return np.stack([leading, other], axis=1)


def _film(
    blocks: dict[str, np.ndarray], signer: Signer, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The output of the detector: features [T, 1629] and presence [T, blocks]."""
    num_frames = len(blocks["pose"])
    # In float32: noise for every point takes most of the time.
    zoom = np.float32(signer.shoulder_width) * np.array([1, WIDTH_OVER_HEIGHT, 1], np.float32)
    spread = np.float32(signer.noise) * zoom * np.array([1, 1, 3], np.float32)
    middle = np.array([*signer.center, 0.0], np.float32)
    features = np.zeros((num_frames, LAYOUT.columns), np.float32)
    presence = np.ones((num_frames, len(LAYOUT.blocks)), bool)
    for name, points in blocks.items():
        seen = zoom * points.astype(np.float32) + middle
        if name == "face":
            detected = ~_lost_runs(num_frames, 0.2 * signer.dropout, rng)
            seen[..., 2] -= seen[..., 2].mean(axis=1, keepdims=True)
        elif name == "pose":
            detected = np.ones(num_frames, bool)  # its z is from the hips, which are at 0
        else:
            detected = _hand_detected(points, seen, signer, rng)
            seen[..., 2] -= seen[:, :1, 2]  # MediaPipe measures a hand's depth from its wrist
        np.clip(seen[..., :2], EDGE, 1 - EDGE, out=seen[..., :2])
        seen += spread * rng.standard_normal(seen.shape, np.float32)
        seen[~detected] = 0.0
        features[:, LAYOUT.slices[name]] = seen.reshape(num_frames, -1)
        presence[:, LAYOUT.block_index(name)] = detected
    return features, presence


def _hand_detected(
    points: np.ndarray, seen: np.ndarray, signer: Signer, rng: np.random.Generator
) -> np.ndarray:
    """[T] bool: whether the hand is in the frame, and not blurred by movement."""
    middle = seen[..., :2].mean(axis=1)
    in_frame = ((middle > 0) & (middle < 1)).all(axis=1)
    speed = np.linalg.norm(np.gradient(points.mean(axis=1), axis=0), axis=1) * FRAMES_PER_SECOND
    return in_frame & (rng.random(len(points)) >= signer.dropout * (1 + speed))


def _lost_runs(num_frames: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """[T] bool: frames in losses of four frames, which begin at this rate."""
    starts = rng.random(num_frames) < rate
    return np.convolve(starts, np.ones(4))[:num_frames] > 0
