"""The offset of spikes is how much later the student says what the teacher says."""

from __future__ import annotations

import pytest
import torch

from slr_accel.distillation.spikes import FARTHEST, median_offset, spike_offsets


def saying(paths: list[list[int]]) -> torch.Tensor:
    return (9.0 * torch.nn.functional.one_hot(torch.tensor(paths), 4)).log_softmax(-1)


@pytest.mark.parametrize("later", [-3, 0, 4])
def test_the_median_is_the_shift(later: int) -> None:
    teacher = torch.zeros(2, 40, dtype=torch.long)
    teacher[0, [8, 9, 20]], teacher[1, [10, 30]] = torch.tensor([1, 1, 2]), torch.tensor([3, 3])
    student = teacher.roll(later, dims=1)
    counts = spike_offsets(
        saying(student.tolist()), saying(teacher.tolist()), torch.tensor([40, 40])
    )
    assert counts.sum() == 4  # glosses, not steps
    assert median_offset(counts.tolist()) == later


def test_padding_other_tokens_and_far_ones_are_not_counted() -> None:
    steps = FARTHEST + 10
    teacher, student = torch.zeros(3, steps).long(), torch.zeros(3, steps).long()
    teacher[0, 2], student[0, 2] = 1, 2  # another token
    teacher[1, 2], student[1, 2 + FARTHEST + 1] = 1, 1  # too far
    teacher[2, 30], student[2, 30] = 1, 1  # padding
    counts = spike_offsets(
        saying(student.tolist()), saying(teacher.tolist()), torch.tensor([steps, steps, 20])
    )
    assert not counts.any()
    assert median_offset(counts.tolist()) is None
