"""The published student's batch norm: what one process keeps of its batches."""

from __future__ import annotations

import torch

from slr_accel.models.student_reference import MaskedBatchNorm


def test_a_batch_that_is_not_finite_leaves_nothing_in_the_running_statistics() -> None:
    torch.manual_seed(0)
    norm, lengths = MaskedBatchNorm(3).train(), torch.tensor([5, 4])
    norm(torch.randn(2, 5, 3), lengths)
    before = norm.mean.clone(), norm.variance.clone()
    broken = torch.randn(2, 5, 3)
    broken[0, 1] = torch.inf
    norm(broken, lengths)
    assert torch.equal(norm.mean, before[0]) and torch.equal(norm.variance, before[1])
    norm(torch.randn(2, 5, 3) + 1, lengths)
    assert not torch.equal(norm.mean, before[0]) and norm.variance.isfinite().all()
