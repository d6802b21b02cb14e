"""The throughput in the log counts what was trained on, in the time that training took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_helpers import TIMES, TrainCommand

from slr_accel.training import throughput
from slr_accel.training.step_work import StepWork
from slr_accel.training.throughput import Throughput, peak_memory


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its first entry is the time."""
    now = [100.0]
    monkeypatch.setattr(throughput.time, "monotonic", lambda: now[0])
    return now


def work(frames: int, padded: int, sequences: int, waited: float) -> StepWork:
    return StepWork(
        [],
        num_targets=1,
        rows=[],
        first=0,
        num_frames=frames,
        num_padded_frames=padded,
        num_sequences=sequences,
        wait_seconds=waited,
        is_last=False,
    )


def test_counts_are_divided_by_the_time_of_training_alone(clock: list[float]) -> None:
    measured = Throughput()
    clock[0] += 2
    measured.step(work(90, 100, 3, 0.5))
    clock[0] += 60  # a validation
    measured.leave_out()
    clock[0] += 2
    measured.step(work(70, 100, 5, 0.3))
    figures = measured.figures()
    assert figures["frames_per_second"] == 40
    assert figures["sequences_per_second"] == 2
    assert figures["padding_share"] == pytest.approx(0.2)
    assert figures["data_wait_share"] == pytest.approx(0.2)
    clock[0] += 1
    measured.step(work(10, 10, 1, 0.0))
    assert measured.figures()["frames_per_second"] == 10, "since the last call"


def test_peak_memory_is_in_bytes() -> None:
    before = peak_memory()
    assert 50e6 < before < 50e9
    held = bytearray(b"x") * int(before + 100e6)
    assert peak_memory() > before
    del held


def test_a_run_logs_its_speed_profiles_on_request_and_starts_without_a_warning(
    train: TrainCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    run = tmp_path / "run"
    output = train.run(run, epochs=1, profile=2)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for record in lines:
        assert ("loss" in record) == (record.keys() >= TIMES), record
    assert "sequences/s" in output and "padding" in output and "waiting" in output
    assert "profile of 2 steps" in output
    trace = json.loads((run / "profile" / "trace.json").read_text())
    names = {event.get("name") for event in trace["traceEvents"]}
    assert {"aten::lstm", "aten::_ctc_loss"} <= names
    assert "Self CPU time total" in (run / "profile" / "table.txt").read_text()
