"""A run that collapses raises its alarm once, and a healthy one raises none."""

from __future__ import annotations

from pathlib import Path

from run_helpers import TrainCommand, lines

BROKEN = {"learning_rate": 1e-8, "epochs": 8, "log_steps": 1, "blank_margin": 0}


def test_a_run_that_stays_uniform_is_reported_once_with_a_cure(
    train: TrainCommand, tmp_path: Path
) -> None:
    output = train.run(tmp_path / "run", **BROKEN)
    assert output.count("error: uniform_output") == 1
    assert "--learning_rate" in output.split("uniform_output")[1]


def test_a_run_that_learns_raises_no_alarm(train: TrainCommand, tmp_path: Path) -> None:
    output = train.run(tmp_path / "run", epochs=20, log_steps=1)
    assert "error:" not in output and "warning: " not in output, output


def test_a_collapse_may_end_the_run_on_all_processes_and_the_same_command_go_on(
    train: TrainCommand, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = {**BROKEN, "processes": 2, "micro_batches_per_step": 2, "epochs": 12}
    output = train.run(run, **settings, on_collapse="stop", expect=1)
    assert "stopped by --on_collapse stop" in output
    stopped = lines(run)
    output = train.run(run, **settings, on_collapse="stop", expect=1)
    assert "because of uniform_output" in output and lines(run) <= stopped + 2
    output = train.run(run, **{**settings, "processes": 1}, on_collapse="warn")
    assert "continues at step" in output and lines(run) > stopped
    assert "error: uniform_output" not in output, "it was said before"
