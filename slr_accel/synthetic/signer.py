"""Describes signers, and moves arms, head and face with the hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slr_accel.layouts.named_layouts import HAND_POINTS, mediapipe_holistic
from slr_accel.synthetic.signs import hand_points, rotation

FRAMES_PER_SECOND = 25.0
LAYOUT = mediapipe_holistic()
SHOULDER_WIDTHS = (0.245, 0.29)
"""Narrowest and widest, as fractions of the frame's width: inside the frame float16 is precise to
1/1000 of them."""


@dataclass(frozen=True)
class Signer:
    """A person before a camera. Lengths are in shoulder widths unless stated otherwise."""

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
    """Height of the head's centre above the shoulders."""
    rest: tuple[float, float, float]
    """Place of a resting wrist: outwards, down, away from the camera."""
    left_handed: bool
    frames_per_gloss: float
    """Duration of a simple sign with its transition, in frames of 1/25 s."""
    amplitude: float
    """Size of movements, relative to the average."""
    variation: float
    """Variation of a sign in time, place and size: 0.1 is a tenth."""
    sway: float
    """Movement of body and head."""
    noise: float
    """Standard deviation of a detected x or y; z is three times as uncertain."""
    dropout: float
    """Share of frames in which a resting hand in view is missed; more in fast movement."""


def make_signers(num_signers: int, seed: int) -> list[Signer]:
    """Makes signers of different body, place, speed and style; every fifth is left-handed."""
    return [
        # Left-handers are not random: a corpus of four signers or more must have one. To numpy
        # [seed, 0] and [seed, 0, 0] are the same seed: the 1 keeps these streams apart.
        _draw_signer(f"signer{n:02d}", n % 5 == 3, np.random.default_rng([seed, 1, n]))
        for n in range(num_signers)
    ]


def signer_named(name: str) -> Signer:
    """The signer of this name, which determines everything; one in ten is left-handed."""
    rng = np.random.default_rng([*name.encode("utf-8")])
    return _draw_signer(name, rng.random() < 0.1, rng)


def _draw_signer(name: str, left_handed: bool, rng: np.random.Generator) -> Signer:
    return Signer(
        name=name,
        shoulder_width=rng.uniform(*SHOULDER_WIDTHS),
        center=(rng.uniform(0.44, 0.56), rng.uniform(0.42, 0.52)),
        arm=rng.uniform(0.78, 0.88),
        hand=rng.uniform(0.9, 1.1),
        head_height=rng.uniform(0.66, 0.76),
        rest=(rng.uniform(0.3, 0.6), rng.uniform(1.2, 1.5), -0.2),
        left_handed=left_handed,
        frames_per_gloss=rng.uniform(8.5, 11.0),
        amplitude=rng.uniform(0.85, 1.2),
        variation=rng.uniform(0.06, 0.14),
        sway=rng.uniform(0.01, 0.04),
        noise=rng.uniform(0.004, 0.01),
        dropout=rng.uniform(0.01, 0.04),
    )


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


def body_points(
    track: np.ndarray, signer: Signer, rng: np.random.Generator
) -> dict[str, np.ndarray]:
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
