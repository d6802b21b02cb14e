"""The same command again continues a run as if it had never stopped."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from run_helpers import TrainCommand, assert_same_run, kill, last_weights, lines, metrics, wait_for
from safetensors.numpy import load_file, save_file

from slr_accel.runs.checkpoint import all_checkpoints, average_path, checkpoint_path, point_to
from slr_accel.runs.resume import mend_best
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import TrainState


@pytest.fixture(scope="module")
def uninterrupted(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "uninterrupted"
    train.run(run, save_steps=2, ema_decay=0.9)
    return run


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_a_random_step_equals_uninterrupted(
    train: TrainCommand, uninterrupted: Path, tmp_path: Path, seed: int
) -> None:
    step = random.Random(seed).randint(1, 26)
    process = train.start(tmp_path / "run", save_steps=2, ema_decay=0.9)
    wait_for(lambda: lines(tmp_path / "run") >= step, process)
    kill(process)
    train.run(tmp_path / "run", save_steps=2, ema_decay=0.9)
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.slow
def test_killed_during_a_save_equals_uninterrupted(
    train: TrainCommand, uninterrupted: Path, tmp_path: Path
) -> None:
    checkpoints = tmp_path / "run" / "checkpoints"
    process = train.start(tmp_path / "run", save_steps=2, ema_decay=0.9)

    def is_saving() -> bool:
        return lines(tmp_path / "run") > 8 and any(checkpoints.glob("*.tmp/optimizer.safetensors"))

    assert wait_for(is_saving, process), "no save was seen"
    kill(process)
    train.run(tmp_path / "run", save_steps=2, ema_decay=0.9)
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
@pytest.mark.slow
def test_a_signal_saves_at_the_next_step_and_exits_with_its_code(
    train: TrainCommand, uninterrupted: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = train.start(tmp_path / "run", ema_decay=0.9)
    wait_for(lambda: lines(tmp_path / "run") >= 4, process)
    output = kill(process, number)
    assert process.returncode == code, output
    assert f"{number.name}: saved at step" in output and "the same command continues" in output
    saved = max((tmp_path / "run" / "checkpoints").glob("step_????????"))
    assert int(saved.name.removeprefix("step_")) == metrics(tmp_path / "run")[-1]["step"]
    train.run(tmp_path / "run", ema_decay=0.9)
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.slow
def test_half_written_checkpoints_are_never_loaded(
    train: TrainCommand, uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train.run(run, ema_decay=0.9, max_steps=9)
    whole = max((run / "checkpoints").glob("step_????????"))
    shutil.copytree(whole, whole.with_name("step_00000025"))
    (whole.with_name("step_00000025") / "meta.json").unlink()
    shutil.copytree(whole, whole.with_name("step_00000026.tmp"))
    train.run(run, ema_decay=0.9)
    assert not whole.with_name("step_00000026.tmp").exists()
    np.testing.assert_equal(last_weights(run), last_weights(uninterrupted))


@pytest.mark.slow
def test_full_disk_keeps_the_previous_checkpoint(
    train: TrainCommand, uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train.run(run, ema_decay=0.9, max_steps=9)

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    output = train.run(run, ema_decay=0.9, expect=1, preexec=small_files_only)
    assert "could not be written" in output and "step_00000009 is still valid" in output
    assert "Traceback" not in output
    train.run(run, ema_decay=0.9)
    np.testing.assert_equal(last_weights(run), last_weights(uninterrupted))


def test_a_complete_run_says_so_and_changes_nothing(
    train: TrainCommand, uninterrupted: Path
) -> None:
    before = last_weights(uninterrupted)
    output = train.run(uninterrupted, save_steps=2, ema_decay=0.9)
    assert "this run is complete" in output
    np.testing.assert_equal(last_weights(uninterrupted), before)


@pytest.mark.slow
@pytest.mark.distributed
def test_three_killed_processes_equal_three_uninterrupted(
    train: TrainCommand, tmp_path: Path
) -> None:
    """With three, sums depend on their order, which a resumed run must keep."""
    settings = {"processes": 3, "save_steps": 1, "epochs": 4}
    train.run(tmp_path / "whole", **settings)
    process = train.start(tmp_path / "run", **settings)
    wait_for(lambda: lines(tmp_path / "run") >= 5, process)
    kill(process)
    train.run(tmp_path / "run", **settings)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_a_run_is_trained_by_one_command_at_a_time(train: TrainCommand, tmp_path: Path) -> None:
    process = train.start(tmp_path / "run", epochs=200)
    wait_for(lambda: lines(tmp_path / "run") >= 1, process)
    output = train.run(tmp_path / "run", epochs=200, expect=2)
    assert "another process is training this run" in output
    kill(process)


def test_more_epochs_go_on_and_another_learning_rate_is_refused(
    train: TrainCommand, tmp_path: Path
) -> None:
    train.run(tmp_path / "run", epochs=1)
    output = train.run(tmp_path / "run", epochs=2)
    assert "continues at step 9 of 18" in output
    assert "epochs were 1 and are 2 now" in output
    output = train.run(tmp_path / "run", epochs=2, learning_rate=0.5, dropout=0.1, expect=2)
    assert "learning_rate: 0.01 then, 0.5 now" in output
    assert "dropout: 0.3 then, 0.1 now" in output
    output = train.run(tmp_path / "run", epochs=2, accumulation_steps=2, expect=2)
    assert "accumulation_steps: None then, 2 now" in output


@pytest.mark.slow
def test_a_setting_newer_than_the_run_counts_as_its_default(
    train: TrainCommand, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train.run(run, epochs=1)
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["delay_penalty"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    output = train.run(run, epochs=1, delay_penalty=0.1, expect=2)
    assert "delay_penalty: 0.0 then, 0.1 now" in output
    assert "this run is complete" in train.run(run, epochs=1)


@pytest.fixture
def copied(uninterrupted: Path, tmp_path: Path) -> tuple[Path, list[Path]]:
    """A copy of the run that may be damaged, and its checkpoints, oldest first."""
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run, symlinks=True)
    return run, all_checkpoints(run / "checkpoints")


@pytest.mark.parametrize("name", ["optimizer.safetensors", "model.safetensors", "meta.json"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_leads_to_the_same_end(
    name: str,
    train: TrainCommand,
    uninterrupted: Path,
    copied: tuple[Path, list[Path]],
) -> None:
    run, (*_, before, last) = copied
    os.truncate(last / name, 100)
    output = train.run(run, ema_decay=0.9, save_steps=2)
    assert f"warning: {last / name}: not " in output
    assert f"; renamed {last} to damaged_{last.name}" in output
    assert f"continues at step {int(before.name[5:])} of" in output
    assert (run / "checkpoints" / f"damaged_{last.name}" / name).stat().st_size == 100
    assert_same_run(run, uninterrupted)


def test_a_checkpoint_of_another_format_is_not_taken_for_a_damaged_one(
    train: TrainCommand, copied: tuple[Path, list[Path]]
) -> None:
    run, (*_, last) = copied
    meta = json.loads((last / "meta.json").read_text())
    (last / "meta.json").write_text(json.dumps(meta | {"format_version": 9}))
    output = train.run(run, ema_decay=0.9, save_steps=2, expect=1)
    assert "has format version 9" in output and "continue the run with the version" in output
    assert last.is_dir()


def test_a_checkpoint_that_the_file_system_does_not_give_is_not_taken_for_a_damaged_one(
    train: TrainCommand, copied: tuple[Path, list[Path]]
) -> None:
    run, (*_, last) = copied
    path = last / "optimizer.safetensors"
    path.unlink()
    path.symlink_to(path.name)
    output = train.run(run, ema_decay=0.9, save_steps=2, expect=1)
    assert f"Too many levels of symbolic links: '{path}'" in output
    assert "Traceback" not in output
    assert last.is_dir()


def test_where_no_checkpoint_can_be_read_each_is_named_with_its_fault(
    train: TrainCommand, copied: tuple[Path, list[Path]]
) -> None:
    run, (*others, before, last) = copied
    for folder in others:
        shutil.rmtree(folder)
    os.truncate(before / "optimizer.safetensors", 100)
    tensors = load_file(last / "optimizer.safetensors")
    tensors["head.weight/exp_avg"] = np.zeros(7, np.float32)
    save_file(tensors, last / "optimizer.safetensors")
    output = train.run(run, ema_decay=0.9, save_steps=2, expect=2)
    assert f"{before / 'optimizer.safetensors'}: not readable" in output
    assert "'head.weight/exp_avg' has the shape [7]" in output
    assert f"no checkpoint of {run} can be read; give another --output_dir" in output
    assert "Traceback" not in output
    assert last.is_dir() and before.is_dir()


@pytest.fixture
def ended_run(tmp_path: Path) -> RunFolder:
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
    step: int, average_is_there: bool, best: str, ended_run: RunFolder
) -> None:
    if not average_is_there:
        average_path(ended_run.checkpoints, 30).rmdir()
    mend_best(ended_run, TrainState(step=step, best_step=20, best_wer=0.2))
    assert ended_run.best.resolve().name == best and ended_run.best.exists()


def test_best_is_the_last_checkpoint_while_the_best_one_is_gone(ended_run: RunFolder) -> None:
    point_to(ended_run.best, checkpoint_path(ended_run.checkpoints, 10))
    mend_best(ended_run, TrainState(step=30))
    assert ended_run.best.resolve().name == "step_00000030"


@pytest.mark.distributed
def test_processes_that_read_different_checkpoints_do_not_go_on(
    train: TrainCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    program = (str(Path(__file__).with_name("two_steps.py")),)
    output = train.run(tmp_path / "unused", processes=2, program=program)
    assert output.count("checked") == 2, output
