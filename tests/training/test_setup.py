"""At a start the run folder is brought in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from slr_accel.training.checkpoint import TrainState, average_path, checkpoint_path, point_to
from slr_accel.training.run import RunFolder
from slr_accel.training.setup import mend_best


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Ended at step 30; the checkpoint of step 20 was the best, and the average better still."""
    run = RunFolder(tmp_path)
    for step in (20, 30):
        checkpoint_path(run.checkpoints, step).mkdir(parents=True)
    average_path(run.checkpoints, 30).mkdir()
    point_to(run.best, average_path(run.checkpoints, 30))
    return run


@pytest.mark.parametrize(
    ("step", "average_is_there", "best"),
    [(30, True, "average_00000030"), (40, True, "step_00000020"), (30, False, "step_00000020")],
)
def test_best_is_the_average_of_this_end_or_else_the_best_checkpoint(
    step: int, average_is_there: bool, best: str, run: RunFolder
) -> None:
    if not average_is_there:
        average_path(run.checkpoints, 30).rmdir()
    mend_best(run, TrainState(step=step, best_step=20, best_wer=0.2))
    assert run.best.resolve().name == best and run.best.exists()
