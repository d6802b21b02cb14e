"""A trained run is scored, and transcribes, as its files and figures promise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from run_helpers import TINY_LAYOUT, TrainCommand, tiny_sequences, write_tiny

from slr_accel.cli import main
from slr_accel.corpus.writer import write_corpus
from slr_accel.training.run import RunFolder

KEYS = {
    *("wer", "substitutions", "deletions", "insertions", "correct", "reference_tokens"),
    *("num_sequences", "wer_ci95", "per_signer", "decoder", "label_policy", "checkpoint"),
}


@pytest.fixture(scope="module")
def run(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained until it reads most words."""
    folder = tmp_path_factory.mktemp("runs") / "a run"
    train.run(folder, epochs=40, dropout=0.0, eval_steps=60, block_dropout=0.0, log_steps=50)
    return folder


@pytest.fixture(scope="module")
def other_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A split `test` with a word that training never shows, and `wild` without labels."""
    out = tmp_path_factory.mktemp("corpora") / "other"
    labelled = [replace(s, split="test") for s in tiny_sequences(8, seed=5)]
    labelled[0] = replace(labelled[0], labels=["NEVER", *labelled[0].labels])
    wild = [replace(s, id="w" + s.id, split="wild", labels=[]) for s in tiny_sequences(3, seed=6)]
    return write_tiny(out, [*labelled, *wild])


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([str(word) for word in words])
    assert isinstance(exit_info.value.code, int)
    return exit_info.value.code


def test_evaluate_needs_the_run_alone_and_writes_what_it_says(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("evaluate", run) == 0
    printed = capsys.readouterr().out
    result = json.loads((run / "eval" / "dev.json").read_text())
    assert result.keys() >= KEYS
    assert 0 <= result["wer"] < 0.5
    errors = result["substitutions"] + result["deletions"] + result["insertions"]
    assert result["wer"] == errors / result["reference_tokens"]
    assert result["wer_ci95"][0] <= result["wer"] <= result["wer_ci95"][1]
    assert sum(s["num_sequences"] for s in result["per_signer"].values()) == 6
    assert f"WER {100 * result['wer']:.1f} %" in printed and "REF" in printed
    assert "<html" in (run / "eval" / "report.html").read_text()
    words = [line.split() for line in (run / "eval" / "dev.ctm").read_text().splitlines()]
    hypothesis_tokens = result["correct"] + result["substitutions"] + result["insertions"]
    assert len(words) == hypothesis_tokens
    assert {word[4] for word in words} <= {"A", "B", "C", "D"}


def test_the_best_validation_is_what_evaluate_finds(run: Path) -> None:
    command("evaluate", run)
    lines = [json.loads(line) for line in RunFolder(run).metrics.read_text().splitlines()]
    best = min(line["wer"] for line in lines if "wer" in line)
    assert json.loads((run / "eval" / "dev.json").read_text())["wer"] == pytest.approx(best)


def test_where_the_corpus_was_moved_to_can_be_given(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    moved = tmp_path / "moved"
    shutil.copytree(run, moved, symlinks=True)
    gone = tmp_path / "gone"
    (moved / "config.yaml").write_text(yaml.safe_dump(config | {"data_dir": str(gone)}))
    for name in ("evaluate", "predict"):
        assert command(name, moved) == 2
        told = capsys.readouterr().err
        assert f"{gone}: no corpus here" in told
        assert f"{moved} was trained on it; where it is elsewhere now, give --data_dir" in told
    assert command("evaluate", moved, "--data_dir", gone) == 2
    assert "was trained on it" not in capsys.readouterr().err, "the user named it"
    assert command("evaluate", moved, "--data_dir", config["data_dir"]) == 0


def test_words_outside_the_vocabulary_count_as_errors(
    run: Path, other_corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert (
        command("evaluate", run, "--data_dir", other_corpus, "--split", "test", "--output_dir", out)
        == 0
    )
    result = json.loads((out / "test.json").read_text())
    tokens = sum(len(s.labels) for s in tiny_sequences(8, seed=5)) + 1
    assert result["reference_tokens"] == tokens
    assert result["substitutions"] + result["deletions"] >= 1
    assert result["num_sequences"] == 8


def test_json_prints_the_result_and_nothing_else(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("evaluate", run, "--json")
    assert json.loads(capsys.readouterr().out).keys() >= KEYS


def test_a_saved_model_scores_as_its_run_and_its_card_says_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("evaluate", run)
    assert command("models", run, "--out", tmp_path / "model") == 0
    wer = json.loads((run / "eval" / "dev.json").read_text())["wer"]
    assert f"| dev | {wer:.1%} |" in (tmp_path / "model" / "README.md").read_text()
    assert command("evaluate", tmp_path / "model") == 2
    assert "give --data_dir and --output_dir" in capsys.readouterr().err
    corpus = RunFolder(run).config()["data_dir"]
    words = ("--data_dir", corpus, "--output_dir", tmp_path / "out")
    assert command("evaluate", tmp_path / "model", *words) == 0
    assert json.loads((tmp_path / "out" / "dev.json").read_text())["wer"] == wer


@pytest.mark.distributed
def test_two_processes_score_as_one_does(run: Path, tmp_path: Path) -> None:
    command("evaluate", run, "--output_dir", tmp_path / "one")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"),
            *("--config_file", "accelerate_configs/cpu_2proc.yaml", "--main_process_port", "0"),
            *("-m", "slr_accel.cli", "evaluate", str(run), "--output_dir", str(tmp_path / "two")),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for name in ("dev.json", "dev.ctm"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_unlabelled_sequences_are_predicted_but_not_scored(
    run: Path, other_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (run, "--data_dir", other_corpus, "--split", "wild")
    assert command("predict", *words) == 0
    lines = (run / "predictions" / "wild.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["ws000", "ws001", "ws002"]
    assert (run / "predictions" / "wild.ctm").is_file()
    assert command("evaluate", *words) == 2
    assert "`slr-accel predict` transcribes without labels" in capsys.readouterr().err


def test_an_unknown_split_names_those_there_are(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("evaluate", run, "--split", "tset") == 2
    assert "it has: dev, train" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_results_that_cannot_be_written_ask_for_another_folder(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        assert command(name, run, "--output_dir", folder) == 2
        error = capsys.readouterr().err
        assert f"{folder}: results cannot go there" in error and "--output_dir" in error
    # Root may write everywhere, so the answer for others is put in its mouth.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert command(name, run) == 2
    assert "no right to write there); give another --output_dir" in capsys.readouterr().err


def test_init_from_keeps_what_it_knows_and_makes_a_head_for_other_words(
    train: TrainCommand, run: Path, tmp_path: Path
) -> None:
    renamed = [
        replace(s, labels=[{"A": "AA"}.get(label, label) for label in s.labels])
        for s in tiny_sequences(24)
    ]
    write_corpus(
        tmp_path / "renamed",
        renamed,
        layout=TINY_LAYOUT,
        dtype="float32",
        frames_per_second=25.0,
        source={},
    )
    train.run(
        tmp_path / "tuned",
        data_dir=tmp_path / "renamed",
        init_from=run,
        max_steps=1,
        learning_rate=1e-9,
        dropout=0.0,
    )
    command("evaluate", tmp_path / "tuned")
    result = json.loads((tmp_path / "tuned" / "eval" / "dev.json").read_text())
    assert result["correct"] > 0, "words known before are still read"
    output = train.run(tmp_path / "wrong", init_from=run, lstm_hidden=24, max_steps=1, expect=2)
    assert "does not fit in lstm" in output
