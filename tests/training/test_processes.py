"""Where a process computes."""

from __future__ import annotations

import pytest
import torch

from slr_accel.training.processes import unused_gpus


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
