"""The skeleton joins the points that exist, and all of them."""

from __future__ import annotations

import pytest

from slr_accel.layouts.named_layouts import HAND_POINTS, POSE_POINTS
from slr_accel.layouts.skeleton import BONES


def test_every_name_is_a_point_of_mediapipe() -> None:
    assert frozenset().union(*BONES) == {*HAND_POINTS, *POSE_POINTS}


@pytest.mark.parametrize("points", [HAND_POINTS, POSE_POINTS], ids=["hand", "pose"])
def test_from_any_point_every_other_is_reached(points: tuple[str, ...]) -> None:
    reached, new = set(), {points[0]}
    while new:
        reached |= new
        new = {q for bone in BONES if bone & new for q in bone} - reached
    assert reached == set(points)


def test_left_and_right_are_joined_alike() -> None:
    swapped = {frozenset(map(other_side, bone)) for bone in BONES}
    assert swapped == BONES


def other_side(point: str) -> str:
    swap = {"left": "right", "right": "left"}
    return "_".join(swap.get(part, part) for part in point.split("_"))
