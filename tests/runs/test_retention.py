"""What is kept on the disk: the last, the best, those to average, every n; within a limit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from run_helpers import TrainCommand, last_weights, metrics
from safetensors.numpy import load_file
from test_checkpoint_writer import content

from slr_accel.runs.checkpoint import average_path, point_to
from slr_accel.runs.checkpoint_writer import CheckpointWriter
from slr_accel.runs.retention import best_steps, beyond_budget, kept_steps
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import TrainState
from slr_accel.settings.run import all_fields
from slr_accel.settings.training import TrainingSettings

VALIDATIONS = [(10, 0.5), (20, 0.3), (30, 0.4), (40, 0.3), (50, 0.6)]


def saved(run: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in (run / "checkpoints").glob("step_*"))


def test_of_equal_scores_the_later_is_better() -> None:
    assert best_steps(VALIDATIONS, 3) == [40, 20, 30]
    assert best_steps(VALIDATIONS, 9) == [40, 20, 30, 10, 50]


@pytest.mark.parametrize(
    "settings, kept",
    [
        ({}, {40, 50}),
        ({"keep_last": 1}, {40, 50}),
        ({"keep_last": 3}, {30, 40, 50}),
        ({"average_best": 3}, {20, 30, 40, 50}),
        ({"keep_every": 10}, {10, 20, 30, 40, 50}),
        ({"keep_every": 20, "keep_last": 1}, {20, 40, 50}),
    ],
)
def test_each_setting_keeps_what_it_says(settings: dict[str, int], kept: set[int]) -> None:
    state = TrainState(step=50, best_step=40, validations=VALIDATIONS)
    assert kept_steps([10, 20, 30, 40, 50], TrainingSettings(**settings), state) == kept


def test_the_oldest_go_first_and_never_the_last_or_the_best() -> None:
    sizes = dict.fromkeys([10, 20, 30, 40, 50], 100)
    assert beyond_budget(sizes, 500, best_step=20) == []
    assert beyond_budget(sizes, 499, best_step=20) == [10]
    assert beyond_budget(sizes, 300, best_step=20) == [10, 30]
    assert beyond_budget(sizes, 1, best_step=20) == [10, 30, 40]
    assert beyond_budget({50: 100}, 1, best_step=50) == []


def test_a_run_keeps_every_n_and_what_it_averages(train: TrainCommand, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train.run(run, epochs=2, eval_steps=3, keep_every=4, keep_last=1)
    best = int((run / "best").resolve().name[5:])
    assert saved(run) == sorted({4, 8, 12, 16, 18, best})


def test_help_says_that_every_n_is_also_saved_and_that_the_averaged_stay() -> None:
    """As `save_is_due` and `kept_steps` have it."""
    told = {name: all_fields()[name].description or "" for name in ("keep_every", "average_best")}
    assert told["keep_every"].startswith("Also save ")
    assert "which stay" in told["average_best"] and "until" not in told["average_best"]


def test_a_limit_removes_old_ones_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []

    def save(step: int, gigabytes: float) -> None:
        settings = TrainingSettings(keep_every=1, save_total_gb=gigabytes)
        with CheckpointWriter(RunFolder(tmp_path), settings, said.append) as writer:
            writer.save(**content(step, best_step=1))

    save(1, 1.0)
    folder = tmp_path / "checkpoints" / "step_00000001"
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
    for step in (2, 3, 4):
        save(step, 3.5 * size)
    assert saved(tmp_path) == [1, 3, 4]
    assert said == [f"checkpoints of step 2 removed, for save_total_gb {3.5 * size:g}"]
    save(5, 1e-9)
    assert saved(tmp_path) == [1, 5] and "alone take" in said[-1]


@pytest.mark.slow
def test_the_best_are_averaged_at_the_end_and_scored_beside_the_best(
    train: TrainCommand, tmp_path: Path
) -> None:
    """Also when the run goes on: the average is made anew, and training does not notice it."""
    plain, run = tmp_path / "plain", tmp_path / "run"
    train.run(plain, epochs=8)
    train.run(run, epochs=8, max_steps=54, average_best=2)
    output = train.run(run, epochs=8, average_best=2)
    np.testing.assert_equal(last_weights(run), last_weights(plain))
    *validations, last = [record for record in metrics(run) if "wer" in record]
    assert validations[-1]["step"] == last["step"]
    ranked = sorted(validations, key=lambda record: (record["wer"], -record["step"]))
    steps = sorted(record["step"] for record in ranked[:2])
    assert last["averaged_steps"] == steps
    assert last["wer_best_checkpoint"] == ranked[0]["wer"]
    assert last["wer"] == min(last["wer_average_best"], last["wer_best_checkpoint"])
    assert f"average of steps {steps[0]}, {steps[1]}: WER" in output
    kept = (run / "best").resolve().name
    if last["wer_average_best"] > last["wer_best_checkpoint"]:
        assert kept == f"step_{ranked[0]['step']:08d}"
        return
    assert kept == "average_00000072"
    parts = [load_file(run / "checkpoints" / f"step_{s:08d}" / "model.safetensors") for s in steps]
    for name, tensor in load_file(run / "best" / "model.safetensors").items():
        np.testing.assert_allclose(tensor, (parts[0][name] + parts[1][name]) / 2, atol=1e-6)
    train.run(run, epochs=8)  # complete, and asked again
    assert (run / "best").resolve().name == kept
    train.run(run, epochs=9, average_best=2)  # the old average goes
    assert (run / "best" / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_end_claims_no_wer_that_best_does_not_have(
    train: TrainCommand, plain_run: Path, tmp_path: Path
) -> None:
    """Where `best` is an average from before that is no longer asked for."""
    run = tmp_path / "run"
    shutil.copytree(plain_run, run, symlinks=True)
    wer = min(record["wer"] for record in metrics(run) if "wer" in record)
    assert f"best WER {wer:.2%} at step" in train.run(run)
    shutil.copytree(run / "best", average_path(run / "checkpoints", 27))
    point_to(run / "best", average_path(run / "checkpoints", 27))
    output = train.run(run)
    assert (run / "best").resolve().name == "average_00000027"
    assert f"best WER at most {wer:.2%}, of an average made before: {run / 'best'}" in output


def test_with_an_average_of_the_weights_both_are_scored(
    train: TrainCommand, plain_run: Path, tmp_path: Path
) -> None:
    train.run(tmp_path / "ema", ema_decay=0.5)
    ema = [record for record in metrics(tmp_path / "ema") if "wer" in record]
    raw = [record for record in metrics(plain_run) if "wer" in record]
    assert [record["wer_raw"] for record in ema] == [record["wer"] for record in raw]
