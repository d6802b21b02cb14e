"""Settings of the student that cannot work are refused."""

from __future__ import annotations

from slr_accel.models.settings import StudentSettings


def test_too_few_blocks_for_a_reduction_are_refused() -> None:
    (problem,) = StudentSettings(reduction=4, conv_blocks=1).problems()
    assert "needs at least 2 conv_blocks" in problem


def test_an_output_slower_than_the_recurrent_part_is_refused() -> None:
    (problem,) = StudentSettings(reduction=2, output_stride=4).problems()
    assert "output_stride 4 is more than the reduction 2" in problem
