"""What columns hold is found on the landmarks: the order of blocks, and which groups follow."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from phoenix_helpers import SIZES, joined, landmarks, with_derived

from slr_accel.importers.block_order import in_order, reordered
from slr_accel.importers.group_names import name_group
from slr_accel.importers.holistic_arrays import find_arrangement
from slr_accel.layouts.layout import Block, Layout
from slr_accel.layouts.named_layouts import mediapipe_holistic

USUAL = in_order(mediapipe_holistic(), SIZES)
ORDERS = [",".join(names) for names in permutations(SIZES)]


def signed() -> list[dict[str, np.ndarray]]:
    return [landmarks(i, "MORGEN REGEN NORD") for i in range(4)]


def recorded(shared_data: Path) -> list[dict[str, np.ndarray]]:
    """MediaPipe's landmarks of real videos, {block: [30, columns]} each."""
    folders = sorted((shared_data / "formats" / "mp_data").glob("*/*"))
    sequences = []
    for folder in folders:
        files = sorted(folder.glob("*.npy"), key=lambda path: int(path.stem))
        frames = np.stack([np.load(path) for path in files]).astype(np.float32)
        pose, face, left, right = np.split(frames, np.cumsum([33 * 4, 468 * 3, 63]), axis=1)
        pose = pose.reshape(len(pose), 33, 4)[..., :3].reshape(len(pose), -1)
        sequences.append(dict(zip(SIZES, (pose, face, left, right), strict=True)))
    assert len(sequences) == 16
    return sequences


def test_reordering_moves_whole_blocks_by_name():
    a, b = Block("a", ("p", "q"), ("x", "y")), Block("b", ("r",), ("x", "y", "confidence"))
    values = np.arange(14).reshape(2, 7)
    moved = reordered(values, Layout((a, b)), Layout((b, a)))
    np.testing.assert_array_equal(moved, values[:, [4, 5, 6, 0, 1, 2, 3]])
    np.testing.assert_array_equal(reordered(moved, Layout((b, a)), Layout((a, b))), values)


@pytest.mark.parametrize("stored", [ORDERS[0], ORDERS[9], ORDERS[-1]])
def test_every_wrong_order_is_told_from_the_right_one(stored):
    arrays = [joined(blocks, stored) for blocks in signed()]
    check_orders(arrays, stored)


@pytest.mark.real_data
def test_every_wrong_order_of_real_landmarks_is_told_from_the_right_one(shared_data):
    check_orders([joined(blocks) for blocks in recorded(shared_data)], ORDERS[0])


def check_orders(arrays: list[np.ndarray], stored: str) -> None:
    for declared in ORDERS:
        layout = in_order(mediapipe_holistic(), declared.split(","))
        if declared == stored:
            assert find_arrangement(arrays, layout).stored == layout
        else:
            with pytest.raises(ValueError, match=f"--block_order {stored}$"):
                find_arrangement(arrays, layout)


def test_one_hand_alone_still_tells_left_from_right():
    arrays = [joined(b | {"left_hand": 0 * b["left_hand"]}) for b in signed()]
    found = find_arrangement(arrays, USUAL)
    assert set(found.distances) == {"right_hand", "face"}
    assert "left_hand absent" in found.notes()[0]
    swapped = in_order(USUAL, ("pose", "face", "right_hand", "left_hand"))
    with pytest.raises(ValueError, match="--block_order pose,face,left_hand,right_hand"):
        find_arrangement(arrays, swapped)


def test_positions_are_found_wherever_they_stand():
    for place in range(3):
        arrays = []
        for blocks in signed():
            quarters = np.split(with_derived(joined(blocks)), 4, axis=1)[:3]
            quarters.insert(place, quarters.pop(0))
            arrays.append(np.concatenate([*quarters, quarters[place]], axis=1))
        found = find_arrangement(arrays, USUAL)
        assert found.base == place
        assert found.groups[3] == "copy of the positions"
        positions = joined(signed()[0], "pose,left_hand,right_hand,face")
        np.testing.assert_array_equal(found.base_values(arrays[0], "a"), positions)


@pytest.mark.real_data
def test_groups_of_real_landmarks_are_named(shared_data):
    base = [joined(blocks) for blocks in recorded(shared_data)]
    groups = {
        "copy of the positions": base,
        "velocity (from the frame before)": [25 * backward(x, {1: -1}) for x in base],
        "velocity (across the frames around)": [np.gradient(x, axis=0) for x in base],
        "acceleration (from two frames before)": [backward(x, {1: -2, 2: 1}) for x in base],
        "acceleration (velocity across, twice)": [
            np.gradient(np.gradient(x, axis=0), axis=0) for x in base
        ],
        "positions from an origin of each block's own": [from_first_points(x) for x in base],
        None: [np.random.default_rng(0).normal(size=x.shape) for x in base],
    }
    for name, group in groups.items():
        assert name_group(group, base, USUAL) == name
        rounded = [x.astype(np.float16) for x in group]
        positions = [x.astype(np.float16) for x in base]
        assert name_group(rounded, positions, USUAL) == name


def test_a_smoothed_copy_is_no_copy():
    base = [joined(blocks) for blocks in signed()]
    smooth = [np.concatenate([x[:1], (x[1:] + x[:-1]) / 2]) for x in base]
    assert name_group(smooth, base, USUAL) != "copy of the positions"


def backward(x: np.ndarray, weights: dict[int, int]) -> np.ndarray:
    """x[t] + sum of weight * x[t - shift], where that many frames are before."""
    reach = max(weights)
    result = np.zeros_like(x)
    result[reach:] = x[reach:] + sum(
        w * x[reach - shift : len(x) - shift] for shift, w in weights.items()
    )
    return result


def from_first_points(x: np.ndarray) -> np.ndarray:
    """Every block from its own first point; absent blocks stay 0."""
    parts = np.split(x, np.cumsum(list(SIZES.values()))[:-1], axis=1)
    centred = [
        (p - np.tile(p[:, :3], p.shape[1] // 3)) * p.any(axis=1, keepdims=True) for p in parts
    ]
    return np.concatenate(centred, axis=1)
