"""Where a process computes."""

from __future__ import annotations

import pytest
import torch

from slr_accel.processes.accelerator import devices_told, make_accelerator


@pytest.mark.parametrize(
    ("device", "processes", "gpus", "other", "told"),
    [
        ("cpu", 8, 4, None, "4 GPU(s) are fewer than the processes"),
        ("cuda", 4, 4, None, ""),
        ("cuda", 1, 4, None, "uses 1 of the 4 GPUs of this machine; for all of them start"),
        ("cpu", 1, 0, "mps", "GPUs of the kind mps are not supported"),
        ("cpu", 2, 0, None, "no GPU found"),
    ],
)
def test_gpus_left_unused_are_told_unless_the_cpu_was_asked_for(
    device: str,
    processes: int,
    gpus: int,
    other: str | None,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = None if other is None else torch.device(other)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: found)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "false")
    text = devices_told(torch.device(device), processes)
    assert told in text and bool(text) == bool(told)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert devices_told(torch.device(device), processes) == ""


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_precision_that_this_machine_cannot_compute_is_refused(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slr_accel.processes.accelerator._cpu_computes_bf16", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match=f"mixed_precision {precision}: no GPU found"):
        make_accelerator(precision)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)  # of a config for GPUs
    with pytest.raises(ValueError, match="no GPU found"):
        make_accelerator(None)


def test_gradients_are_not_divided_by_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    accelerator = make_accelerator("no")
    weight = torch.ones(1, requires_grad=True)
    accelerator.backward(3 * weight.sum())
    assert weight.grad is not None and weight.grad.item() == 3
