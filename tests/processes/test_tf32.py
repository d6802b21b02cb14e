"""Scores are computed in float32; training says where it is not."""

from __future__ import annotations

import torch

from slr_accel.processes.tf32 import allow_in_training, in_float32


def flags() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def test_scoring_rounds_nothing_and_leaves_training_as_it_was() -> None:
    allow_in_training()
    assert flags() == (True, False)
    with in_float32():
        assert flags() == (False, False)
    assert flags() == (True, False)
