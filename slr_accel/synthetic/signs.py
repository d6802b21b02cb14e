"""Defines the synthetic signs and sentences: hand shapes, places, movements, grammar.

Positions are in the signer's own space: x to the outside of the signing hand, y down, z away from
the camera; 0 is midway between the shoulders and 1 is the shoulder width. Both hands use the same
numbers, so mirrored signs and left-handers need no other description.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

PATH_STEPS = 25
"""Steps that describe a sign from its start to its end."""
HAND_PARAMETERS = 9
"""Flexion of thumb, index, middle, ring, pinky; spread of the fingers; pitch, roll, yaw."""

SHAPES = {  # flexion 0 (straight) .. 1 (folded), thumb to pinky; then the spread in radians
    "flat": (0.3, 0.0, 0.0, 0.0, 0.0, 0.05),
    "five": (0.0, 0.0, 0.0, 0.0, 0.0, 0.3),
    "fist": (0.9, 1.0, 1.0, 1.0, 1.0, 0.0),
    "point": (0.9, 0.0, 1.0, 1.0, 1.0, 0.0),
    "vee": (0.9, 0.0, 0.0, 1.0, 1.0, 0.3),
    "claw": (0.3, 0.55, 0.55, 0.55, 0.55, 0.3),
    "thumb": (0.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    "pinch": (0.7, 0.65, 0.0, 0.0, 0.0, 0.2),
    "horn": (0.0, 1.0, 1.0, 1.0, 0.0, 0.2),
    "cup": (0.4, 0.35, 0.35, 0.35, 0.35, 0.0),
}
TURNS = {  # pitch tips the fingers to the camera, roll turns the palm, yaw points them outwards
    "up": (0.0, 0.0, 0.0),
    "forward": (1.0, 0.0, 0.0),
    "inward": (0.3, 0.6, -1.1),
    "sideways": (0.2, -1.4, 0.0),
    "to_signer": (0.2, 2.6, -0.5),
    "down": (1.9, 0.3, -0.2),
}
PLACES = {  # of the wrist
    "forehead": (0.35, -0.7, -0.45),
    "cheek": (0.35, -0.4, -0.45),
    "chin": (0.2, -0.1, -0.5),
    "chest": (0.2, 0.5, -0.4),
    "shoulder": (0.5, 0.15, -0.45),
    "front": (0.35, 0.65, -0.7),
    "side": (0.8, 0.4, -0.5),
    "belly": (0.25, 0.95, -0.5),
}
REST_HAND = (0.3, 0.3, 0.3, 0.3, 0.3, 0.1, 2.6, 1.2, 0.0)


@dataclass(frozen=True)
class Sign:
    """A sign. Backwards it is another sign with the same frames."""

    place: np.ndarray
    """[3] position of the wrist, in shoulder widths."""
    path: np.ndarray
    """[PATH_STEPS, 3] movement around the place, in shoulder widths."""
    hand: np.ndarray
    """[PATH_STEPS, HAND_PARAMETERS] shape and orientation of the hand along the path."""
    other: float = 0.0
    """How the other hand moves: 1 mirrors the path, -1 alternates, 0 rests."""
    duration: float = 1.0
    """Duration, relative to a simple sign."""


Vector = tuple[float, float, float]
PHASE = np.linspace(0.0, 1.0, PATH_STEPS)[:, None]


def line(way: Vector) -> np.ndarray:
    """[PATH_STEPS, 3]: straight through the place, from half of `way` before to half behind."""
    return (PHASE - 0.5) * np.asarray(way)


def arc(way: Vector, bulge: Vector) -> np.ndarray:
    """[PATH_STEPS, 3]: like a line, swerving by `bulge` in the middle."""
    return line(way) + np.sin(np.pi * PHASE) * np.asarray(bulge)


def circle(first: Vector, second: Vector) -> np.ndarray:
    """[PATH_STEPS, 3]: once around, starting at `first` and going towards `second`."""
    turn = 2 * np.pi * PHASE
    return np.cos(turn) * np.asarray(first) + np.sin(turn) * np.asarray(second)


def repeated(way: Vector) -> np.ndarray:
    """[PATH_STEPS, 3]: there and back, twice."""
    return -0.5 * np.cos(4 * np.pi * PHASE) * np.asarray(way)


def _sign(
    shape: str,
    turn: str,
    place: str,
    path: np.ndarray,
    *,
    other: float = 0.0,
    duration: float = 1.0,
    end_shape: str | None = None,
    end_turn: str | None = None,
) -> Sign:
    start = np.array([*SHAPES[shape], *TURNS[turn]])
    end = np.array([*SHAPES[end_shape or shape], *TURNS[end_turn or turn]])
    hand = start + PHASE * (end - start)
    return Sign(np.array(PLACES[place]), path, hand, other, duration)


def backwards(sign: Sign) -> Sign:
    """The sign that shows the same frames in the opposite order."""
    return replace(sign, path=sign.path[::-1], hand=sign.hand[::-1])


MIRRORED, ALTERNATING = 1.0, -1.0
LONG, LONGER = 1.2, 1.4

_FORWARD_SIGNS = {
    "YESTERDAY": _sign("thumb", "sideways", "cheek", arc((0.4, 0.4, 0.5), (0.1, -0.1, 0.0))),
    "TODAY": _sign("horn", "forward", "belly", line((0.0, 0.35, 0.0)), other=MIRRORED),
    "HOME": _sign("cup", "inward", "cheek", line((0.3, -0.25, 0.1))),
    "SCHOOL": _sign(
        "flat", "inward", "front", repeated((0.25, 0.0, 0.0)), other=MIRRORED, duration=LONGER
    ),
    "CITY": _sign("flat", "up", "shoulder", repeated((0.35, 0.0, 0.0)), duration=LONGER),
    "I": _sign("point", "to_signer", "chest", line((-0.1, 0.05, 0.25))),
    "YOU": _sign("point", "forward", "chest", line((0.15, -0.1, -0.5))),
    "MOTHER": _sign("five", "sideways", "chin", repeated((0.0, 0.1, 0.2)), duration=LONGER),
    "FATHER": _sign("five", "sideways", "forehead", repeated((0.0, 0.1, 0.2)), duration=LONGER),
    "TEACHER": _sign("pinch", "up", "forehead", line((0.15, 0.1, -0.4)), other=MIRRORED),
    "FRIEND": _sign("vee", "inward", "front", repeated((0.0, 0.25, 0.0)), duration=LONGER),
    "NEW": _sign("flat", "to_signer", "chest", arc((-0.3, 0.0, 0.0), (0.0, 0.2, -0.1))),
    "BIG": _sign("claw", "up", "side", arc((0.8, 0.0, 0.0), (0.0, -0.3, 0.0)), other=MIRRORED),
    "BOOK": _sign(
        "flat", "sideways", "front", line((0.2, 0.1, 0.0)), other=MIRRORED, end_turn="to_signer"
    ),
    "HOUSE": _sign("flat", "up", "shoulder", arc((0.2, 0.7, 0.0), (0.3, 0.0, 0.0)), other=MIRRORED),
    "MONEY": _sign("pinch", "forward", "front", repeated((0.1, 0.3, 0.0)), duration=LONGER),
    "FOOD": _sign("cup", "to_signer", "chin", repeated((0.0, -0.2, 0.15)), duration=LONGER),
    "CAR": _sign(
        "fist", "forward", "front", repeated((0.0, 0.4, 0.0)), other=ALTERNATING, duration=LONGER
    ),
    "LETTER": _sign("thumb", "to_signer", "chin", line((0.1, 0.6, -0.1))),
    "GIVE": _sign("cup", "forward", "front", arc((0.4, -0.4, -0.4), (0.2, 0.1, 0.0))),
    "OPEN": _sign(
        "flat", "up", "shoulder", line((0.6, 0.2, 0.0)), other=MIRRORED, end_turn="sideways"
    ),
    "BUY": _sign(
        "pinch", "sideways", "front", circle((0.0, -0.3, 0.0), (0.35, 0.0, -0.1)), duration=LONGER
    ),
    "SEE": _sign("vee", "to_signer", "cheek", line((0.1, 0.1, -0.6)), end_turn="forward"),
    "LIKE": _sign("five", "inward", "chest", line((0.2, -0.1, -0.4)), end_shape="pinch"),
    "NOT": _sign("point", "up", "side", repeated((0.4, 0.0, 0.0)), duration=LONGER),
}
BACKWARDS = {
    "TOMORROW": "YESTERDAY",
    "SMALL": "BIG",
    "TAKE": "GIVE",
    "CLOSE": "OPEN",
    "SELL": "BUY",
}
"""{gloss: the gloss whose sign it is backwards}: no single frame tells the two apart."""
LEXICON = _FORWARD_SIGNS | {a: backwards(_FORWARD_SIGNS[b]) for a, b in BACKWARDS.items()}

# A sentence has one choice of each slot. The two glosses of a backwards pair share a slot, so that
# neither single frames nor the grammar tells them apart.
GRAMMAR: tuple[tuple[str | None, ...], ...] = (
    (None, "YESTERDAY", "TODAY", "TOMORROW"),
    (None, "HOME", "SCHOOL", "CITY"),
    ("I", "YOU", "MOTHER", "FATHER", "TEACHER", "FRIEND"),
    (None, "NEW", "BIG", "SMALL"),
    ("BOOK", "HOUSE", "MONEY", "FOOD", "CAR", "LETTER"),
    ("GIVE", "TAKE", "OPEN", "CLOSE", "BUY", "SELL", "SEE", "LIKE"),
    (None, "NOT"),
)


def sign_for(gloss: str) -> Sign:
    """The sign of a gloss; one outside the lexicon has a random sign, with its name as seed."""
    return LEXICON[gloss] if gloss in LEXICON else _sign_from_name(gloss)


def _sign_from_name(gloss: str) -> Sign:
    # With continuous places and directions thousands of names get different signs.
    digest = hashlib.sha256(gloss.encode("utf-8")).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "little"))
    shapes, turns = list(SHAPES.values()), list(TURNS.values())
    start = np.array([*shapes[rng.integers(len(shapes))], *turns[rng.integers(len(turns))]])
    end = (
        start if rng.random() < 0.7 else np.array([*shapes[rng.integers(len(shapes))], *start[6:]])
    )
    hand = start + rng.normal(0.0, 0.1, HAND_PARAMETERS) + PHASE * (end - start)
    place = rng.uniform((0.2, -0.7, -0.7), (0.8, 1.0, -0.4))
    path, duration = _path_from_name(rng)
    other = float(rng.choice([0.0, MIRRORED, ALTERNATING], p=[0.6, 0.3, 0.1]))
    if other:
        place[0] += max(0.0, 0.25 - (place + path)[:, 0].min())  # the hands should not cross
    return Sign(place, path, hand, other, duration)


def _path_from_name(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    way, across = rng.normal(size=(2, 3))
    way /= np.linalg.norm(way)
    across -= way * (across @ way)
    across /= np.linalg.norm(across)
    size = rng.uniform(0.4, 0.7)
    a: Vector = tuple(size * way)
    b: Vector = tuple(0.4 * size * across)
    movements: list[tuple[Callable[[], np.ndarray], float]] = [
        (lambda: line(a), 1.0),
        (lambda: arc(a, b), 1.0),
        (lambda: 0.4 * circle(a, tuple(size * across)), LONG),
        (lambda: 0.6 * repeated(a), LONGER),
    ]
    move, duration = movements[rng.integers(len(movements))]
    return move(), duration


# The bones of a right hand in shoulder widths, palm to the camera, fingers up; thumb to pinky.
_KNUCKLES = np.array(
    [(-0.05, -0.06, 0), (-0.07, -0.25, 0), (-0.02, -0.26, 0), (0.03, -0.245, 0), (0.075, -0.22, 0)]
)
_BONES = np.array(
    [
        (0.1, 0.08, 0.07),
        (0.11, 0.07, 0.06),
        (0.12, 0.08, 0.06),
        (0.11, 0.07, 0.06),
        (0.09, 0.05, 0.05),
    ]
)
_FULL_BEND = np.array([(0.4, 0.7, 0.9)] + 4 * [(1.4, 1.7, 1.1)])
_SPLAY = np.array([-0.8, -0.05, 0.0, 0.05, 0.1])
_SPREAD = np.array([-0.7, -1.0, -0.2, 0.6, 1.4])


def hand_points(hand: np.ndarray) -> np.ndarray:
    """[..., HAND_PARAMETERS] -> [..., 21, 3]: `named_layouts.HAND_POINTS` from the wrist."""
    flexion, spread, turn = np.split(hand, [5, 6], axis=-1)
    splay = (_SPLAY + spread * _SPREAD)[..., None]  # (..., finger, 1)
    bend = np.cumsum(flexion[..., None] * _FULL_BEND, axis=-1)  # (..., finger, bone)
    bones = np.stack(
        [np.sin(splay) * np.cos(bend), -np.cos(splay) * np.cos(bend), -np.sin(bend)], axis=-1
    )
    ends = np.cumsum(_BONES[..., None] * bones, axis=-2)
    joints = np.concatenate([np.zeros_like(ends[..., :1, :]), ends], axis=-2) + _KNUCKLES[:, None]
    fingers = joints.reshape(*joints.shape[:-3], -1, 3)
    points = np.concatenate([np.zeros_like(fingers[..., :1, :]), fingers], axis=-2)
    return points @ np.swapaxes(rotation(turn), -1, -2)


def rotation(turn: np.ndarray) -> np.ndarray:
    """[..., 3] pitch, roll, yaw in radians -> [..., 3, 3]: about the axes y, then x, then z."""
    (sp, sr, sy), (cp, cr, cy) = (np.moveaxis(f(turn), -1, 0) for f in (np.sin, np.cos))
    rows = [
        [cy * cr - sy * sp * sr, -sy * cp, cy * sr + sy * sp * cr],
        [sy * cr + cy * sp * sr, cy * cp, sy * sr - cy * sp * cr],
        [-cp * sr, sp, cp * cr],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def split_sentences(
    num_train: int, num_dev: int, num_test: int, rng: np.random.Generator
) -> list[list[list[str]]]:
    """Draws the sentences of each split, as lists of glosses."""
    sizes = [len(slot) for slot in GRAMMAR]
    numbers = rng.permutation(int(np.prod(sizes)))
    if num_train + num_dev + num_test > len(numbers):
        raise ValueError(
            f"the grammar has {len(numbers)} sentences, "
            f"{num_train + num_dev + num_test} were asked: ask for fewer"
        )
    choices = np.stack(np.unravel_index(numbers, sizes), axis=1)  # (sentences, slots)
    train, rest = np.split(choices, [num_train])
    known = [np.isin(rest[:, s], train[:, s]) for s in range(len(GRAMMAR))]
    rest = rest[np.all(known, axis=0)]
    if num_dev + num_test > len(rest):
        raise ValueError(
            f"the glosses of {num_train} train sentences make only {len(rest)} others, "
            f"num_dev + num_test is {num_dev + num_test}: raise num_train or lower these"
        )
    dev, test, _ = np.split(rest, [num_dev, num_dev + num_test])
    return [[_glosses(row) for row in part] for part in (train, dev, test)]


def _glosses(choice: np.ndarray) -> list[str]:
    words = [slot[pick] for slot, pick in zip(GRAMMAR, choice, strict=True)]
    return [word for word in words if word is not None]
