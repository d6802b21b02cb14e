"""A loss or gradient that is not finite on one process: all leave the step out, and say which."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from run_helpers import TrainCommand, metrics
from safetensors.numpy import load_file

from slr_accel.training.gradients import Update
from slr_accel.training.not_finite import lowers_loss_scale
from slr_accel.training.step import StepResult

SABOTAGE = "tests/training/sabotage.py"
WAYS = [
    pytest.param({}, id="one process"),
    pytest.param({"processes": 2}, id="DDP", marks=pytest.mark.distributed),
    *(
        pytest.param(
            {"processes": 2, "config": f"deepspeed_zero{stage}"},
            id=f"ZeRO-{stage}",
            marks=[pytest.mark.distributed, pytest.mark.slow],
        )
        for stage in (1, 2, 3)
    ),
]


def weights(run: Path, step: int) -> dict[str, bytes]:
    tensors = load_file(run / "checkpoints" / f"step_{step:08d}" / "model.safetensors")
    return {name: tensor.tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize("fault", ["loss", "gradient"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.slow
def test_the_step_is_left_out_and_its_sequences_named(
    train: TrainCommand, tmp_path: Path, way: dict, fault: str
) -> None:
    """The third step of two micro-batches a process: its first is at fault, on the last process."""
    if fault == "gradient" and way.get("config") == "deepspeed_zero1":
        pytest.skip("ZeRO-2 does the same")
    rank = way.get("processes", 1) - 1
    output = train.run(
        tmp_path / "run",
        program=(SABOTAGE, fault, str(rank), "4", "5"),
        batch_size=1,
        accumulation_steps=2,
        max_steps=4,
        save_steps=1,
        keep_last=9,
        learning_rate=0.01,
        **way,
    )
    assert f"step 3: a {fault} is not finite, the weights stay; " in output
    named = 1 if fault == "loss" else 2 * way.get("processes", 1)
    assert f"{named} sequences: s0" in output
    assert weights(tmp_path / "run", 2) == weights(tmp_path / "run", 3)
    assert weights(tmp_path / "run", 3) != weights(tmp_path / "run", 4)
    steps = {record["step"]: record for record in metrics(tmp_path / "run") if "loss" in record}
    assert sorted(steps) == [1, 2, 4]


@pytest.mark.parametrize(
    "fault, hint", [("loss", "extreme values"), ("gradient", "lower learning_rate")]
)
def test_a_run_that_only_skips_stops_with_a_diagnosis(
    train: TrainCommand, tmp_path: Path, fault: str, hint: str
) -> None:
    output = train.run(
        tmp_path / "run", program=(SABOTAGE, fault, "0", "2", "999"), epochs=9, expect=1
    )
    assert "20 steps in a row had a loss or a gradient that is not finite" in output
    assert hint in output
    assert "Traceback" not in output


@pytest.mark.distributed
@pytest.mark.slow
def test_more_than_two_processes_go_on_after_a_step_left_out(
    train: TrainCommand, tmp_path: Path
) -> None:
    """With three on a CPU, DDP looks for unused weights, and must not wait for the step's end."""
    output = train.run(
        tmp_path / "run", processes=3, program=(SABOTAGE, "loss", "1", "1", "2"), max_steps=4
    )
    assert "step 2: a loss is not finite" in output
    assert "step 4/4" in output


def test_fp16_that_looks_for_its_loss_scale_is_no_fault() -> None:
    def step(grad_norm: float, loss: float) -> StepResult:
        update = Update(grad_norm, math.isfinite(grad_norm), {}, None)
        return StepResult({"ctc": [loss]}, update, stop_requested=False)

    scaler, overflow = object(), step(math.inf, 3.0)
    assert all(lowers_loss_scale(scaler, overflow, n) for n in range(16))
    assert not lowers_loss_scale(scaler, overflow, 16), "2**16 cannot be halved more often"
    assert not lowers_loss_scale(None, overflow, 0)
    assert not lowers_loss_scale(scaler, step(math.inf, math.nan), 0)
    assert not lowers_loss_scale(scaler, step(1.0, 3.0), 0)
