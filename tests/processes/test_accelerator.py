"""Where a process computes."""

from __future__ import annotations

import pytest
import torch

from slr_accel.processes.accelerator import make_accelerator, unused_gpus


@pytest.mark.parametrize(
    ("device", "asked_for_cpu", "unused"),
    [("cpu", "false", 4), ("cpu", "true", 0), ("cuda", "false", 0)],
)
def test_gpus_left_unused_are_counted_unless_the_cpu_was_asked_for(
    device: str, asked_for_cpu: str, unused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("ACCELERATE_USE_CPU", asked_for_cpu)
    assert unused_gpus(torch.device(device)) == unused


def test_gradients_are_not_divided_by_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    accelerator = make_accelerator("no")
    weight = torch.ones(1, requires_grad=True)
    accelerator.backward(3 * weight.sum())
    assert weight.grad is not None and weight.grad.item() == 3
