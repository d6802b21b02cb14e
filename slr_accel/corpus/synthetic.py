"""What a person signing would look like to MediaPipe Holistic: a corpus for tests and a first run.

A sentence is a track of hand places and shapes (`synthetic_signs`), moved by a signer's body, seen
by a camera, and lost here and there by a detector. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from slr_accel.corpus.layout import HAND_POINTS, mediapipe_holistic
from slr_accel.corpus.record import Segment, Sequence
from slr_accel.corpus.synthetic_signs import (
    HAND_PARAMETERS,
    PATH_STEPS,
    REST_HAND,
    Sign,
    hand_points,
    rotation,
    sign_for,
    split_sentences,
)

FRAMES_PER_SECOND = 25.0
WIDTH_OVER_HEIGHT = 4 / 3
LAYOUT = mediapipe_holistic()
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Signer:
    """A person before a camera. Lengths are in shoulder widths where nothing else is said."""

    name: str
    shoulder_width: float
    """Fraction of the frame's width."""
    center: tuple[float, float]
    """Midway between the shoulders, as fractions of the frame's width and height."""
    arm: float
    """Length of the upper arm; the forearm is 0.9 of it."""
    hand: float
    """Size of the hands, relative to the average."""
    head_height: float
    """Of the head's centre above the shoulders."""
    rest: tuple[float, float, float]
    """Where a resting wrist hangs: outwards, down, away from the camera."""
    left_handed: bool
    frames_per_gloss: float
    """Of a simple sign with its way there, in frames of 1/25 s."""
    amplitude: float
    """Size of movements, relative to the average."""
    variation: float
    """How far performances of one sign differ, in time, place and size: 0.1 is a tenth."""
    sway: float
    """Movement of body and head."""
    noise: float
    """Standard deviation of a detected x or y; z is three times as uncertain."""
    dropout: float
    """Share of frames in which a resting hand in view is missed; more in fast movement."""


def make_signers(num_signers: int, seed: int) -> list[Signer]:
    """Signers who differ in body, place in the frame, speed, and style; every fifth left-handed."""
    return [_make_signer(number, seed) for number in range(num_signers)]


def _make_signer(number: int, seed: int) -> Signer:
    # numpy takes [seed, 0] and [seed, 0, 0] for the same seed: the 1 keeps these streams apart.
    rng = np.random.default_rng([seed, 1, number])
    return Signer(
        name=f"signer{number:02d}",
        shoulder_width=rng.uniform(0.22, 0.29),
        center=(rng.uniform(0.44, 0.56), rng.uniform(0.42, 0.52)),
        arm=rng.uniform(0.78, 0.88),
        hand=rng.uniform(0.9, 1.1),
        head_height=rng.uniform(0.66, 0.76),
        rest=(rng.uniform(0.3, 0.6), rng.uniform(1.2, 1.5), -0.2),
        # Not drawn: a corpus of four signers or more should have a left-hander for certain.
        left_handed=number % 5 == 3,
        frames_per_gloss=rng.uniform(8.5, 11.0),
        amplitude=rng.uniform(0.85, 1.2),
        variation=rng.uniform(0.06, 0.14),
        sway=rng.uniform(0.01, 0.04),
        noise=rng.uniform(0.004, 0.01),
        dropout=rng.uniform(0.01, 0.04),
    )


def generate(
    num_train: int, num_dev: int, num_test: int, *, seed: int, num_signers: int = 6
) -> Iterator[Sequence]:
    """Sequences of the splits train, dev and test; no sentence comes twice, in one split or two.

    All glosses of dev and test occur in train. Raises ValueError where the grammar has too few
    sentences for the numbers asked.
    """
    if num_train < 1 or min(num_dev, num_test) < 0 or num_signers < 1 or seed < 0:
        raise ValueError(
            "num_train and num_signers must be 1 or more, num_dev, num_test and seed 0 or more; "
            f"got {num_train=}, {num_signers=}, {num_dev=}, {num_test=}, {seed=}"
        )
    splits = split_sentences(num_train, num_dev, num_test, np.random.default_rng(seed))
    signers = make_signers(num_signers, seed)
    return (
        _sequence(split, number, sentence, signers, np.random.default_rng([seed, s + 2, number]))
        for s, (split, sentences) in enumerate(zip(SPLITS, splits, strict=True))
        for number, sentence in enumerate(sentences)
    )


def _sequence(
    split: str, number: int, sentence: list[str], signers: list[Signer], rng: np.random.Generator
) -> Sequence:
    signer = signers[rng.integers(len(signers))]
    features, presence, segments = perform(sentence, signer, rng)
    return Sequence(
        f"{split}-{number:05d}", split, signer.name, features, presence, sentence, segments
    )


def perform(
    glosses: list[str], signer: Signer, rng: np.random.Generator, *, num_frames: int | None = None
) -> tuple[np.ndarray, np.ndarray, list[Segment]]:
    """One sentence from rest to rest; without `num_frames` as long as the signer takes.

    A gloss outside the lexicon has a sign of its own that depends on nothing but its name.

    Returns features [T, 1629] float32 in the columns of `mediapipe_holistic`, fractions of the
    frame; presence [T, blocks] bool; and one segment a gloss, without the way from sign to sign.
    """
    if not glosses:
        raise ValueError("a sentence needs at least one gloss")
    if num_frames is not None and num_frames < 4 * len(glosses) + 4:
        raise ValueError(
            f"{len(glosses)} glosses need at least {4 * len(glosses) + 4} frames, "
            f"not {num_frames}: raise num_frames"
        )
    signs = [sign_for(gloss) for gloss in glosses]
    knots = _knots(signs, signer, rng, num_frames)
    edges = np.ceil(knots - 0.5).astype(int)  # a frame belongs to the piece that holds its middle
    strokes = zip(edges[2:-2:2].tolist(), edges[3:-1:2].tolist(), glosses, strict=True)
    track = _track(signs, knots, signer, rng)
    blocks = _body(track, signer, rng)
    features, presence = _film(blocks, signer, rng)
    return features, presence, [Segment(*stroke) for stroke in strokes]


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


def _minimum_jerk(phase: np.ndarray) -> np.ndarray:
    """How far a reaching hand is after this share of the time (Flash and Hogan, 1985)."""
    return phase**3 * (10 - 15 * phase + 6 * phase**2)


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
    eased = _minimum_jerk(phase)
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


# Points in shoulder widths; left is the signer's own, which the camera sees at the right.
_HEAD = {  # from the middle of the head
    "nose": (0.0, 0.04, -0.3),
    "left_eye_inner": (0.05, -0.08, -0.22),
    "right_eye_inner": (-0.05, -0.08, -0.22),
    "left_eye": (0.09, -0.08, -0.21),
    "right_eye": (-0.09, -0.08, -0.21),
    "left_eye_outer": (0.13, -0.08, -0.18),
    "right_eye_outer": (-0.13, -0.08, -0.18),
    "left_ear": (0.22, -0.03, 0.05),
    "right_ear": (-0.22, -0.03, 0.05),
    "mouth_left": (0.07, 0.17, -0.22),
    "mouth_right": (-0.07, 0.17, -0.22),
}
_LOWER_BODY = {  # outwards, down, away; the same at both sides
    "hip": (0.32, 1.45, 0.0),
    "knee": (0.34, 2.5, -0.1),
    "ankle": (0.32, 3.4, 0.1),
    "heel": (0.31, 3.5, 0.15),
    "foot_index": (0.38, 3.55, -0.3),
}
_SHOULDER = (0.5, 0.0, 0.0)
_OUTWARDS = {"left": np.array([1.0, 1.0, 1.0]), "right": np.array([-1.0, 1.0, 1.0])}


def _face_mesh() -> np.ndarray:
    """[468, 3] from the middle of the head: the front half of an ellipsoid, and the nose's tip."""
    points = LAYOUT.block("face").points
    number = np.arange(len(points))
    radius = np.sqrt((number + 0.5) / len(points))
    angle = number * np.pi * (3 - np.sqrt(5))  # a sunflower's: even, without rows
    mesh = np.stack([radius * np.cos(angle), radius * np.sin(angle), -np.sqrt(1 - radius**2)], 1)
    mesh *= (0.21, 0.29, 0.24)
    mesh[points.index("nose")] = _HEAD["nose"]
    return mesh.astype(np.float32)


_FACE = _face_mesh()
_CHIN = np.exp(-(((_FACE - (0.0, 0.24, -0.2)) / (0.12, 0.06, 0.2)) ** 2).sum(axis=1))
"""[468] how far a face point goes down with the jaw."""


def _body(track: np.ndarray, signer: Signer, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """[T, points, 3] of each block, in shoulder widths from between the resting shoulders."""
    num_frames = len(track)
    wrists, elbows = _arms(track[..., :3], signer)
    hands = wrists[:, :, None] + signer.hand * hand_points(track[..., 3:])
    head, face = _head(num_frames, signer, rng)
    pose = {name: head[:, i] for i, name in enumerate(_HEAD)}
    blocks = {}
    for i, side in enumerate(("left", "right") if signer.left_handed else ("right", "left")):
        hand = dict(zip(HAND_POINTS, np.moveaxis(hands[:, i], 1, 0), strict=True))
        pose |= {
            f"{side}_{name}": np.broadcast_to(points, (num_frames, 3)) * _OUTWARDS[side]
            for name, points in {
                "shoulder": np.array(_SHOULDER),
                "elbow": elbows[:, i],
                "wrist": wrists[:, i],
                "thumb": hand["thumb_ip"],
                "index": hand["index_mcp"],
                "pinky": hand["pinky_mcp"],
                **{name: np.array(point) for name, point in _LOWER_BODY.items()},
            }.items()
        }
        blocks[f"{side}_hand"] = hands[:, i] * _OUTWARDS[side]
    blocks["pose"] = np.stack([pose[name] for name in LAYOUT.block("pose").points], axis=1)
    blocks["face"] = face
    sway = signer.sway * _wander(num_frames, 3, 0.3, rng) * (1.0, 0.4, 0.0)
    return {name: points + sway[:, None].astype(np.float32) for name, points in blocks.items()}


def _arms(targets: np.ndarray, signer: Signer) -> tuple[np.ndarray, np.ndarray]:
    """[T, 2, 3] where the wrists should be -> where they get, and the elbows; outwards is +x."""
    upper, fore = signer.arm, 0.9 * signer.arm
    reach = targets - _SHOULDER
    wanted = np.linalg.norm(reach, axis=-1, keepdims=True)
    way = reach / wanted
    distance = np.clip(wanted, 0.3 * upper, 0.98 * (upper + fore))
    along = (distance**2 + upper**2 - fore**2) / (2 * distance)
    # Of all places where an elbow can be, it hangs down and a little outwards.
    hang = np.array([0.5, 1.0, 0.3]) - way * (way @ (0.5, 1.0, 0.3))[..., None]
    hang /= np.linalg.norm(hang, axis=-1, keepdims=True)
    elbows = way * along + hang * np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    return way * distance + _SHOULDER, elbows + _SHOULDER


def _head(
    num_frames: int, signer: Signer, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """[T, points, 3] of the pose's head points and of the face, which turn, and talk a little."""
    turn = rotation(3 * signer.sway * _wander(num_frames, 3, 0.5, rng)).astype(np.float32)
    jaw = 0.08 * np.maximum(_wander(num_frames, 1, 2.0, rng), 0.0).astype(np.float32)
    face = np.repeat(_FACE[None], num_frames, axis=0)
    face[..., 1] += jaw * _CHIN
    center = np.array([0.0, -signer.head_height, -0.05], np.float32)
    head, turned = np.array(list(_HEAD.values())), np.swapaxes(turn, 1, 2)
    return head @ turned + center, face @ turned + center


def _wander(num_frames: int, count: int, hertz: float, rng: np.random.Generator) -> np.ndarray:
    """[T, count] smooth movement of its own for each, of about unit size and the given rate."""
    seconds = np.arange(num_frames)[:, None, None] / FRAMES_PER_SECOND
    rates = hertz * rng.uniform(0.5, 1.5, (2, count))
    waves = np.sin(2 * np.pi * (seconds * rates + rng.random((2, count))))
    return waves.sum(axis=1)


def _film(
    blocks: dict[str, np.ndarray], signer: Signer, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What the detector makes of it: features [T, 1629] and presence [T, blocks]."""
    num_frames = len(blocks["pose"])
    # float32 from here on: noise for every point is where the time goes.
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
        seen += spread * rng.standard_normal(seen.shape, np.float32)
        seen[~detected] = 0.0
        features[:, LAYOUT.slices[name]] = seen.reshape(num_frames, -1)
        presence[:, LAYOUT.block_index(name)] = detected
    return features, presence


def _hand_detected(
    points: np.ndarray, seen: np.ndarray, signer: Signer, rng: np.random.Generator
) -> np.ndarray:
    """[T]: whether most of the hand is in the frame, and is not blurred by movement."""
    middle = seen[..., :2].mean(axis=1)
    in_frame = ((middle > 0) & (middle < 1)).all(axis=1)
    speed = np.linalg.norm(np.gradient(points.mean(axis=1), axis=0), axis=1) * FRAMES_PER_SECOND
    return in_frame & (rng.random(len(points)) >= signer.dropout * (1 + speed))


def _lost_runs(num_frames: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """[T]: frames in losses of four frames that begin at this rate."""
    starts = rng.random(num_frames) < rate
    return np.convolve(starts, np.ones(4))[:num_frames] > 0
