"""A process that dies ends the others; with --max_restarts they all start again and go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_helpers import TrainCommand, last_weights, metrics

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


def test_a_killed_process_is_started_again_and_the_run_goes_on(
    train: TrainCommand, tmp_path: Path
) -> None:
    settings = {"processes": 2, "epochs": 2, "save_steps": 1}
    train.run(tmp_path / "whole", **settings)
    output = train.run(
        tmp_path / "run",
        program=("tests/training/sabotage.py", str(tmp_path / "killed"), "1", "4", "5"),
        launch=("--max_restarts", "1", "--monitor_interval", "0.5"),
        **settings,
    )
    assert (tmp_path / "killed").exists()
    assert "continues at step 4 of 10" in output
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")
    ours, theirs = last_weights(tmp_path / "run"), last_weights(tmp_path / "whole")
    assert {k: v.tobytes() for k, v in ours.items()} == {k: v.tobytes() for k, v in theirs.items()}
