"""A validation computes what `slr-accel evaluate` will."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from models_helpers import LAYOUTS, make, random_batch, run

from slr_accel.training.validation import full_precision


def test_scores_are_in_float32_whatever_training_computes_in() -> None:
    layout = LAYOUTS["tracks"]
    model, batch = make("student", layout).eval(), random_batch(layout, [30, 12])
    expected = run(model, batch).log_probs
    Accelerator(cpu=True, mixed_precision="bf16").prepare(model)
    assert not torch.equal(run(model, batch).log_probs, expected)
    with full_precision(model):
        assert torch.equal(run(model, batch).log_probs, expected)
    assert not torch.equal(run(model, batch).log_probs, expected)
