"""A mistake is answered with exit code 2 and a short text: what is wrong, and the way out."""

from __future__ import annotations

import argparse
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from models_helpers import LAYOUTS, make

from slr_accel.cli import COMMANDS, main
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.layout import generic_layout
from slr_accel.models.pretrained import save_pretrained

MOST_LINES = 8
Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six sequences of 20 frames; one in the split `unlabelled` has no labels."""
    random = np.random.default_rng(0)
    splits = ["train"] * 4 + ["dev", "unlabelled"]
    sequences = [
        Sequence(
            f"s{i}",
            split,
            "anna",
            random.random((20, 3)).astype(np.float32),
            np.ones((20, 1), bool),
            [] if split == "unlabelled" else ["A", "B"],
        )
        for i, split in enumerate(splits)
    ]
    out = tmp_path_factory.mktemp("corpora") / "corpus"
    write_corpus(
        out,
        sequences,
        layout=generic_layout(3),
        dtype="float32",
        frames_per_second=25.0,
        source={},
    )
    return out


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Runs a command that must be refused; returns the text on stderr."""

    def run(*words: str | Path) -> str:
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        text = capsys.readouterr().err
        assert end.value.code == 2, text
        assert len(text.splitlines()) <= MOST_LINES, text
        return text

    return run


@pytest.fixture
def refused_train(refused: Refusal, corpus: Path, tmp_path: Path) -> Refusal:
    """`slr-accel train` on the corpus, with further or other settings."""

    def run(*words: str) -> str:
        usual = [f"--data_dir={corpus}", f"--output_dir={tmp_path / 'run'}", "--max_steps=1"]
        return refused("train", *usual, *words)

    return run


def test_a_folder_without_a_corpus(refused_train: Refusal, tmp_path: Path) -> None:
    text = refused_train(f"--data_dir={tmp_path}")
    assert f"{tmp_path}: no corpus here" in text and "slr-accel prepare" in text


def test_an_output_dir_that_holds_something_of_the_users(
    refused_train: Refusal, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "layout.json").write_text("mine")
    assert "holds layout.json but no config.yaml" in refused_train()
    assert (tmp_path / "run" / "layout.json").read_text() == "mine"


def test_an_output_dir_that_is_a_file(refused_train: Refusal, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    assert f"{tmp_path / 'run'}: is a file; give another --output_dir" in refused_train()
    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_with_somebody_elses_metrics(refused_train: Refusal, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text("mine")
    assert "holds metrics.jsonl but no config.yaml" in refused_train()
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == "mine"


def test_a_start_that_is_refused_with_the_folder_held_leaves_none(
    refused_train: Refusal, tmp_path: Path
) -> None:
    model = make("student", LAYOUTS["tracks"])
    save_pretrained(tmp_path / "model", model, Vocabulary(tuple("ABCDEF"), "raw"))
    assert "does not fit" in refused_train(f"--init_from={tmp_path / 'model'}")
    assert not (tmp_path / "run").exists()


def test_an_unknown_split(refused_train: Refusal) -> None:
    text = refused_train("--eval_split=tset")
    assert "no split 'tset' to validate on" in text
    assert "dev, train, unlabelled" in text and "--eval_split dev" in text


def test_a_split_without_labels_to_score_against(refused_train: Refusal) -> None:
    text = refused_train("--eval_split=unlabelled")
    assert "s5" in text and "slr-accel predict" in text


def test_a_corpus_of_another_layout_than_the_recipes(refused_train: Refusal) -> None:
    text = refused_train("--recipe=boston104")
    assert "left_hand 1xy, right_hand 1xy, face 1xy" in text and "slr-accel prepare" in text


def test_sequences_longer_than_max_frames(refused_train: Refusal) -> None:
    text = refused_train("--max_frames=19")
    assert "have more than max_frames 19 frames, the longest, s0, 20" in text
    assert "--dynamic_truncation" in text


def test_several_wrong_settings_are_told_together(refused_train: Refusal) -> None:
    text = refused_train("--epochs=0", "--dropout=2", "--learnin_rate=1", "--curriculum_epochs=-1")
    for name in ("epochs", "dropout", "did you mean --learning_rate?", "curriculum_epochs"):
        assert name in text


def test_nothing_is_written_before_the_checks(refused_train: Refusal, tmp_path: Path) -> None:
    refused_train("--eval_split=tset")
    refused_train("--max_frames=5")
    assert list(tmp_path.iterdir()) == []


def test_fp16_without_a_gpu(refused_train: Refusal) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert "fp16: no GPU found; use bf16 or no" in refused_train("--mixed_precision=fp16")


def test_init_from_a_folder_that_is_no_run(refused_train: Refusal, tmp_path: Path) -> None:
    text = refused_train(f"--init_from={tmp_path / 'nothing'}")
    assert str(tmp_path / "nothing") in text and "no such folder" in text


def test_wandb_online_without_a_key(
    refused_train: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    text = refused_train("--wandb_mode=online")
    assert "wandb login" in text and "offline" in text


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_folder_that_is_no_run(refused: Refusal, tmp_path: Path, command: str) -> None:
    assert f"{tmp_path}: neither a trained run nor a model" in refused(command, tmp_path)


def test_prepare_does_not_write_over_a_corpus(refused: Refusal, corpus: Path) -> None:
    text = refused("prepare", "synthetic", "--out", corpus, "--num_train", "1")
    assert f"{corpus}: exists already" in text


def test_an_index_that_is_missing(refused: Refusal, tmp_path: Path) -> None:
    index = tmp_path / "index.jsonl"
    text = refused("prepare", "manifest", "--index", index, "--out", tmp_path / "corpus")
    assert str(index) in text


@pytest.mark.parametrize(
    "words", [["inspect", "corpus"], ["prepare", "synthetic", "--out", "corpus"], ["models"]]
)
def test_an_unknown_option_gets_the_usage_of_its_command(
    refused: Refusal, words: list[str]
) -> None:
    text = refused(*words, "--jsn")
    command = " ".join(["slr-accel", *words[: 2 if words[0] == "prepare" else 1]])
    assert text.startswith(f"usage: {command} [-h]")
    assert f"{command}: error: unrecognized arguments: --jsn" in text


def test_an_unknown_command_gets_the_known_ones(refused: Refusal) -> None:
    text = refused("trian")
    for command in COMMANDS:
        assert command in text


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    text = " ".join(capsys.readouterr().out.split())
    assert all(command in text and summary in text for command, summary in COMMANDS.items())


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert f"slr-accel {command}" in text
    assert "...." not in text


@pytest.mark.parametrize("module", ["slr_accel.train", "slr_accel.cli", "slr_accel"])
def test_a_started_module_answers_like_the_function(module: str, tmp_path: Path) -> None:
    words = [] if module == "slr_accel.train" else ["train"]
    done = subprocess.run(
        [sys.executable, "-m", module, *words, f"--data_dir={tmp_path}", "--output_dir=run"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}: no corpus here")
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("option", ["--json", None, "--help"])
def test_output_that_nobody_reads_ends_a_command_quietly(corpus: Path, option: str | None) -> None:
    """As behind `| head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    words = ["inspect", str(corpus), *filter(None, [option])]
    done = subprocess.run(
        [sys.executable, "-m", "slr_accel.cli", *words],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert done.stderr == ""
    # The argparse of later Pythons passes over the error of --help.
    in_argparse = "OSError" in inspect.getsource(argparse.ArgumentParser._print_message)
    passed_over = option == "--help" and in_argparse
    assert done.returncode == (0 if passed_over else 141)


def test_a_broken_pipe_that_is_not_the_outputs_is_told(
    refused: Refusal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(words: list[str]) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("slr_accel.cli._run", fail)
    with pytest.raises(SystemExit) as end:
        main(["inspect", "corpus"])
    assert end.value.code == 1
    assert capsys.readouterr().err == "error: [Errno 32] Broken pipe\n"
