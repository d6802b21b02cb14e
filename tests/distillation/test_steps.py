"""A teacher's posteriors come to the student's steps, and the right ones are selected."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from slr_accel.distillation.steps import (
    best_shift,
    features_on_student_steps,
    on_student_steps,
    selected,
    shifted,
)

sequences = st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=1, max_size=14)


def saying(paths: list[list[int]], tokens: int = 3, sharpness: float = 8.0) -> Tensor:
    """[B, T', V] log-probabilities whose best tokens are these; padding says token 1."""
    longest = max(map(len, paths))
    full = torch.tensor([path + [1] * (longest - len(path)) for path in paths])
    return (sharpness * torch.nn.functional.one_hot(full, tokens)).log_softmax(-1)


def lengths_of(paths: list[list[int]]) -> Tensor:
    return torch.tensor([len(path) for path in paths])


@settings(max_examples=100, deadline=None)
@given(st.lists(sequences, min_size=1, max_size=3))
def test_symmetric_selection_adds_as_many_of_the_nearest_blanks(paths: list[list[int]]) -> None:
    log_probs, lengths = saying(paths), lengths_of(paths)
    spikes = selected(log_probs, lengths, "non_blank")
    both = selected(log_probs, lengths, "symmetric")
    for path, spike, chosen in zip(paths, spikes.numpy(), both.numpy(), strict=True):
        says = np.array(path) != 0
        assert (spike[: len(path)] == says).all() and not spike[len(path) :].any()
        added = chosen & ~spike
        assert added.sum() == min(says.sum(), (~says).sum()) if says.any() else not added.any()
        assert not chosen[len(path) :].any()
        where = np.flatnonzero(says)
        if len(where):
            distance = np.abs(np.arange(len(path))[:, None] - where).min(axis=1)
            left_out = ~says & ~chosen[: len(path)]
            if added.any() and left_out.any():
                assert distance[added[: len(path)]].max() <= distance[left_out].min()


def test_all_steps_are_those_of_the_sequence() -> None:
    paths = [[0, 1, 0], [0]]
    assert selected(saying(paths), lengths_of(paths), "all").tolist() == [
        [True] * 3,
        [True, *[False] * 2],
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(sequences, min_size=1, max_size=3), st.sampled_from([2, 4]))
def test_no_gloss_gets_lost_on_fewer_steps(paths: list[list[int]], ratio: int) -> None:
    longest = max(map(len, paths))
    steps = -(-longest // ratio)
    found = on_student_steps(
        saying(paths), lengths_of(paths), teacher_stride=1, student_stride=ratio, steps=steps
    )
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(len(paths), steps))
    for path, best in zip(paths, found.argmax(-1).tolist(), strict=True):
        for step in range(-(-len(path) // ratio)):
            covered = path[step * ratio : (step + 1) * ratio]
            assert best[step] in covered and (best[step] != 0) == any(covered)


@pytest.mark.parametrize(
    ("teacher_stride", "student_stride", "expected"),
    [
        (4, 4, [0, 1, 2, 3, 4]),
        (2, 4, [1, 3, 4]),
        (1, 4, [2, 4]),
        (4, 2, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
    ],
)
def test_features_are_those_in_the_middle_of_a_students_step(
    teacher_stride: int, student_stride: int, expected: list[int]
) -> None:
    features, padding = torch.arange(5.0).reshape(1, 5, 1), torch.full((1, 2, 1), 99.0)
    found = features_on_student_steps(
        torch.cat([features, padding], 1),
        torch.tensor([5]),
        teacher_stride=teacher_stride,
        student_stride=student_stride,
        steps=len(expected),
    )
    assert found.flatten()[: len(expected)].tolist() == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(sequences, min_size=1, max_size=3), st.sampled_from([2, 4]))
def test_between_the_teachers_steps_probabilities_are_interpolated(
    paths: list[list[int]], ratio: int
) -> None:
    log_probs, lengths = saying(paths), lengths_of(paths)
    steps = ratio * max(map(len, paths))
    found = on_student_steps(
        log_probs, lengths, teacher_stride=ratio, student_stride=1, steps=steps
    ).exp()
    for own, made, length in zip(
        log_probs.exp().numpy(), found.numpy(), lengths.tolist(), strict=True
    ):
        at = (np.arange(ratio * length) + 0.5) / ratio - 0.5
        for token in range(own.shape[1]):
            expected = np.interp(at, np.arange(length), own[:length, token])
            np.testing.assert_allclose(made[: ratio * length, token], expected, atol=1e-5)


def test_equal_strides_change_nothing() -> None:
    log_probs = saying([[0, 1]])
    same = on_student_steps(
        log_probs, torch.tensor([2]), teacher_stride=4, student_stride=4, steps=2
    )
    assert same is log_probs


@pytest.mark.parametrize("later", [-2, 0, 1, 3])
def test_the_best_shift_finds_what_was_moved(later: int) -> None:
    path = [0] * 4 + [1, 0, 0, 2, 0, 1] + [0] * 4
    teacher, lengths = saying([path, path]), torch.tensor([14, 14])
    student = shifted(teacher, lengths, torch.tensor([later, 0]))
    found = best_shift(student, teacher, lengths, 2)
    assert found.tolist()[1] == 0
    if abs(later) <= 2:
        assert found.tolist()[0] == later
        torch.testing.assert_close(shifted(teacher, lengths, found), student)


def test_where_nothing_is_said_nothing_is_moved() -> None:
    uniform = torch.zeros(1, 6, 3).log_softmax(-1)
    assert best_shift(uniform, saying([[0] * 6]), torch.tensor([6]), 3).tolist() == [0]
