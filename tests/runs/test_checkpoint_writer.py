"""A checkpoint written in a thread is the one that would have been written at once."""

from __future__ import annotations

import errno
import os
import resource
import stat
import threading
from pathlib import Path

import pytest
import torch
from models_helpers import LAYOUTS, make
from run_helpers import TrainCommand, assert_same_run, kill, lines, wait_for

from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.recogniser import Recogniser
from slr_accel.runs import checkpoint_writer
from slr_accel.runs.checkpoint import (
    Snapshot,
    latest_checkpoint,
    load_checkpoint,
    optimizer_tensors,
    write_checkpoint,
)
from slr_accel.runs.checkpoint_writer import CheckpointWriter
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import TrainState
from slr_accel.settings.training import TrainingSettings


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Writing waits for it."""
    opened = threading.Event()
    write = checkpoint_writer.write_checkpoint

    def wait_and_write(*args):
        assert opened.wait(30)
        return write(*args)

    monkeypatch.setattr(checkpoint_writer, "write_checkpoint", wait_and_write)
    return opened


Stepped = tuple[Recogniser, torch.optim.Optimizer]


def stepped() -> Stepped:
    """A small model after a step, and its optimizer."""
    model = make("student", LAYOUTS["tracks"])
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return model, optimizer


def content(step: int = 3, best_step: int | None = None, of: Stepped | None = None) -> dict:
    """What CheckpointWriter.save takes."""
    model, optimizer = of or stepped()
    best_step = step if best_step is None else best_step
    state = TrainState(step=step, validations=[(best_step, 0.1)], best_step=best_step, best_wer=0.1)
    return {
        "model": model,
        "vocabulary": Vocabulary(tuple("ABCDEF"), "raw"),
        "optimizer": optimizer_tensors(model, optimizer),
        "average": None,
        "state": state,
    }


def test_training_on_does_not_change_what_is_being_written(
    tmp_path: Path, gate: threading.Event
) -> None:
    model, optimizer = stepped()
    what = content(of=(model, optimizer))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with CheckpointWriter(RunFolder(tmp_path), TrainingSettings(async_save=True), print) as writer:
        writer.save(**what)
        optimizer.step()
        what["state"].step, what["state"].best_step = 4, 4
        what["state"].validations.append((4, 0.0))
        gate.set()
    folder = latest_checkpoint(tmp_path / "checkpoints")
    assert folder is not None and (tmp_path / "best").resolve() == folder.resolve()
    model, optimizer = stepped()
    state, _ = load_checkpoint(folder, model=model, optimizer=optimizer)
    assert (state.step, state.validations) == (3, [(3, 0.1)])
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert optimizer.state[next(model.parameters())]["step"] == 1


def test_the_next_save_waits_for_the_one_before(tmp_path: Path, gate: threading.Event) -> None:
    with CheckpointWriter(RunFolder(tmp_path), TrainingSettings(async_save=True), print) as writer:
        writer.save(**content(1))
        second = threading.Thread(target=writer.save, kwargs=content(2))
        second.start()
        second.join(0.1)
        assert second.is_alive()
        gate.set()
        second.join(30)
        assert not second.is_alive()
    assert len(list((tmp_path / "checkpoints").glob("step_????????"))) == 2


@pytest.mark.parametrize("moment", ["check", "save", "end"])
def test_an_error_of_the_thread_is_raised_at_the_next_occasion(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint_writer, "write_checkpoint", fail)
    settings = TrainingSettings(async_save=True)
    with (
        pytest.raises(OSError, match="disk full"),
        CheckpointWriter(RunFolder(tmp_path), settings, print) as writer,
    ):
        writer.save(**content())
        writer._pool.submit(int).result()  # the thread is done with the save
        if moment == "check":
            writer.check()
            pytest.fail("check said nothing")
        elif moment == "save":
            writer.save(**content())
            pytest.fail("save said nothing")


@pytest.mark.slow
def test_a_run_that_saves_in_a_thread_and_is_killed_equals_one_that_does_not(
    train: TrainCommand, tmp_path: Path
) -> None:
    train.run(tmp_path / "whole", save_steps=2, ema_decay=0.9)
    run = tmp_path / "run"
    process = train.start(run, save_steps=1, ema_decay=0.9, async_save=True)

    def is_saving() -> bool:
        return lines(run) > 8 and any((run / "checkpoints").glob("*.tmp/optimizer.safetensors"))

    assert wait_for(is_saving, process), "no save was seen"
    kill(process)
    train.run(run, save_steps=1, ema_decay=0.9, async_save=True)
    assert_same_run(run, tmp_path / "whole")


def test_a_full_disk_ends_a_run_that_saves_in_a_thread(train: TrainCommand, tmp_path: Path) -> None:
    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    output = train.run(
        tmp_path / "run", async_save=True, save_steps=1, expect=1, preexec=small_files_only
    )
    assert "could not be written" in output and "free space" in output
    assert "Traceback" not in output


def snapshot() -> Snapshot:
    what = content(1)
    return Snapshot(weights=what["model"].state_dict(), **what)


@pytest.mark.parametrize(("number", "passed_over"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_flushes_no_folders_and_has_no_modes_takes_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, passed_over: bool
) -> None:
    """As SMB and FUSE have it; a disk that fails is another thing."""
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    def chmod(path: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "chmod", chmod)
    if passed_over:
        assert write_checkpoint(tmp_path, snapshot()).is_dir()
        return
    with pytest.raises(OSError, match="could not be written"):
        write_checkpoint(tmp_path, snapshot())
