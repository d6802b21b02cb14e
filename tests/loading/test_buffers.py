"""Memory is reused when nothing refers to it, and not before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.loading.buffers import Buffers


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_what_is_let_go_is_taken_again() -> None:
    buffers = Buffers()
    first = address(buffers.empty((2, 500, 30), np.float32))
    assert address(buffers.empty((2, 500, 30), np.float32)) == first
    assert address(buffers.empty((4, 10, 30), np.float32)) == first


@pytest.mark.parametrize(
    "keep",
    [
        lambda array: array,
        lambda array: array[1:, ::2],
        lambda array: array.view(np.uint8).reshape(-1)[5:],
        torch.from_numpy,
        lambda array: torch.from_numpy(array)[0].transpose(0, 1),
        lambda array: torch.from_numpy(array).view(torch.int32).numpy()[1],
        memoryview,
    ],
    ids=["array", "part", "view", "tensor", "part of a tensor", "array of a tensor", "memoryview"],
)
def test_what_is_referred_to_is_not(keep) -> None:
    buffers = Buffers()
    array = buffers.empty((2, 5, 3), np.float32)
    array[:] = 7
    first = address(array)
    kept = keep(array)
    before = np.asarray(kept).copy()
    del array
    for _ in range(3):
        other = buffers.empty((2, 5, 3), np.float32)
        assert address(other) != first
        other[:] = 0
    np.testing.assert_array_equal(np.asarray(kept), before)
    del kept
    taken = [buffers.empty((2, 5, 3), np.float32) for _ in range(2)]
    assert first in map(address, taken)


@pytest.mark.parametrize("shape", [(2, 0), (0,), (3, 0, 4), (1,), (1, 1, 1)])
def test_any_shape_can_be_asked_for(shape: tuple[int, ...]) -> None:
    buffers = Buffers()
    for _ in range(2):
        array = buffers.empty(shape, np.int64)
        assert (array.shape, array.dtype) == (shape, np.int64)
        array[:] = 1
        assert torch.from_numpy(array).sum() == array.size


@given(
    requests=st.lists(
        st.tuples(
            st.integers(0, 40), st.sampled_from([np.uint8, np.float16, np.int64]), st.integers(0, 3)
        ),
        max_size=30,
    )
)
def test_arrays_in_use_never_share_memory(requests: list[tuple[int, type, int]]) -> None:
    """Each is kept for some requests to come, and holds what it was filled with until then."""
    buffers = Buffers()
    kept: list[tuple[int, int, np.ndarray]] = []
    for now, (size, dtype, turns) in enumerate(requests):
        array = buffers.empty((size, 3), dtype)
        array[:] = now
        kept = [(then, end, other) for then, end, other in kept if end > now]
        kept.append((now, now + turns, array))
        for then, _, other in kept:
            assert (other == then).all()
