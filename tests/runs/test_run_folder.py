"""A run folder is refused where it cannot be one, and is locked where it can."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path

import pytest
from run_helpers import TrainCommand

from slr_accel.corpus.reader import open_corpus
from slr_accel.runs.run_folder import (
    NEEDED_FILES,
    RunFolder,
    check_continues,
    check_new_run,
    locked,
)
from slr_accel.settings.decoding import DecodingSettings
from slr_accel.settings.group import may_change
from slr_accel.settings.health import HealthSettings
from slr_accel.settings.models.by_name import MODELS
from slr_accel.settings.run import Settings, build_settings, setting_fields
from slr_accel.training.start import start_run

PLAIN = "import sys; from slr_accel.train import main; sys.exit(main())"


def settings_of(folder: Path) -> Settings:
    return build_settings({"data_dir": "corpus", "output_dir": str(folder)})


def refusal(folder: Path) -> str:
    with pytest.raises(ValueError) as error:
        check_new_run(RunFolder(folder), settings_of(folder))
    return str(error.value)


@pytest.mark.parametrize("below", ["", "runs/deeper"])
def test_a_file_in_the_way_is_named(below: str, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("")
    assert f"{tmp_path / 'notes'}: is a file" in refusal(tmp_path / "notes" / below)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert f"{tmp_path}: you may not write here" in refusal(tmp_path / "run")


@pytest.mark.parametrize("name", NEEDED_FILES)
@pytest.mark.slow
def test_a_run_that_lost_a_file_is_refused_with_what_to_do(
    name: str, train: TrainCommand, tmp_path: Path
) -> None:
    train.run(tmp_path / "run", max_steps=1)
    (tmp_path / "run" / name).unlink()
    output = train.run(tmp_path / "run", max_steps=2, expect=2)
    assert f"holds a run without {name}; restore what was removed, or" in output


def test_a_run_without_a_checkpoint_fixes_nothing(train: TrainCommand, tmp_path: Path) -> None:
    """What was wrong with its settings may be corrected in the same folder."""
    wrong = {"channels": 32, "learning_rate": 0.1, "micro_batches_per_step": 2}
    program = ("-c", "import slr_accel.training.trainer as t; t.train_step = None\n" + PLAIN)
    train.run(tmp_path / "run", program=program, max_steps=1, expect=1, **wrong)
    run = RunFolder(tmp_path / "run")
    assert run.exists and not run.has_checkpoint
    output = train.run(run.path, max_steps=1, label_policy="characters")
    assert "starts again at step 0: there is no checkpoint in" in output
    assert run.has_checkpoint and run.config()["channels"] == 16
    assert run.environment()["micro_batches_per_step"] == 1
    assert "learning_rate: 0.01 then" in train.run(run.path, expect=2, learning_rate=0.1)


def test_processes_without_a_common_folder_are_told_at_the_first_start(
    tiny_corpus: Path, tmp_path: Path
) -> None:
    """The other machine's process finds nothing where the first one has made the run."""

    class Second:
        is_main_process, mixed_precision = False, "no"

        def wait_for_everyone(self) -> None:
            pass

    corpus, run = open_corpus(tiny_corpus), RunFolder(tmp_path / "run")
    settings = build_settings({"data_dir": str(tiny_corpus), "output_dir": str(run.path)})
    with pytest.raises(ValueError, match="put it in a folder that all machines share"):
        start_run(Second(), settings, corpus, run, 1)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_run_without_its_checkpoints_says_that_it_starts_again(
    train: TrainCommand, tmp_path: Path
) -> None:
    train.run(tmp_path / "run", max_steps=1)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    output = train.run(tmp_path / "run", max_steps=1)
    assert "starts again at step 0: there is no checkpoint in" in output


def test_a_file_system_without_symbolic_links_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def symlink(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", symlink)
    assert "has no symbolic links, and a run needs one (`best`)" in refusal(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_looking_for_links_leaves_nothing(tmp_path: Path) -> None:
    check_new_run(RunFolder(tmp_path), settings_of(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_copied_without_its_links_continues(
    train: TrainCommand, tmp_path: Path
) -> None:
    train.run(tmp_path / "run", epochs=1)
    shutil.copytree(tmp_path / "run", tmp_path / "copy", symlinks=False)
    assert not (tmp_path / "copy" / "best").is_symlink()
    train.run(tmp_path / "copy", epochs=2)
    assert (tmp_path / "copy" / "best").resolve().parent == tmp_path / "copy" / "checkpoints"


def test_weights_to_start_from_are_the_same_however_their_folder_is_written(
    train: TrainCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.run(tmp_path / "source", max_steps=1)
    run = RunFolder(tmp_path / "run")
    train.run(run.path, max_steps=1, init_from=f"{tmp_path}/source/")
    settings = {**run.config(), "output_dir": str(run.path)}
    corpus = open_corpus(settings["data_dir"])
    monkeypatch.chdir(tmp_path)
    check_continues(run, build_settings({**settings, "init_from": "source"}), corpus)
    with pytest.raises(ValueError, match="init_from"):
        check_continues(run, build_settings({**settings, "init_from": "elsewhere"}), corpus)


def test_a_corpus_is_no_place_for_a_run(tiny_corpus: Path) -> None:
    assert "holds corpus.json" in refusal(tiny_corpus)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_where_nothing_can_be_locked_training_goes_on_with_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(RunFolder(tmp_path)):
        assert f"{tmp_path}: cannot be locked" in capsys.readouterr().err


MAY_CHANGE = {
    *("data_dir", "output_dir", "epochs", "max_steps", "early_stopping_patience"),
    "zero_wer_patience",
    *("save_steps", "keep_last", "log_steps", "mixed_precision"),
    *("wandb_mode", "wandb_project", "wandb_group"),
    *("keep_every", "save_total_gb", "async_save", "average_best", "profile"),
    *("accumulation_steps", "micro_batches_per_step", "cache_dir", "cache_gb"),
    *("gradient_checkpointing", "compile", "teacher", "teacher_cache", "teacher_precision"),
    *DecodingSettings.model_fields,
}


@pytest.mark.parametrize("model", MODELS)
def test_these_settings_and_no_others_may_change_when_a_run_is_continued(model: str) -> None:
    assert {n for n, field in setting_fields(model).items() if may_change(field)} == {
        *MAY_CHANGE,
        *HealthSettings.model_fields,
    }
