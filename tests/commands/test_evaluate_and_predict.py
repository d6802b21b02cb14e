"""A trained run is scored, and transcribes, as its files and figures promise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.cells import cell_len
from run_helpers import TINY_LAYOUT, TrainCommand, tiny_sequences, write_tiny

from slr_accel.cli import main
from slr_accel.commands.predict import shown_line
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.features.transform import FeatureTransform
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.build import make_model
from slr_accel.models.pretrained import save_pretrained
from slr_accel.models.student import Student
from slr_accel.runs.opened import open_run
from slr_accel.runs.run_folder import RunFolder, record_batch_frames
from slr_accel.settings.features import FeatureSettings
from slr_accel.settings.models.student import StudentSettings

KEYS = {
    *("wer", "substitutions", "deletions", "insertions", "correct", "reference_tokens"),
    *("num_sequences", "wer_ci95", "per_signer", "decoder", "label_policy", "checkpoint"),
}


@pytest.fixture(scope="module")
def run(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained until it reads most words."""
    folder = tmp_path_factory.mktemp("runs") / "a run"
    told = train.run(folder, epochs=40, dropout=0.0, eval_steps=60, block_dropout=0.0, log_steps=50)
    assert "1 of 6 sentences of dev (17%) are in train word for word" in told
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


def test_sentences_that_train_lacks_are_scored_by_themselves(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("evaluate", run) == 0
    told = "1 of 6 sentences (17%) are in train word for word; the others: WER"
    assert told in capsys.readouterr().out
    result = json.loads((run / "eval" / "dev.json").read_text())
    new = result["new_sentences"]
    known = {tuple(s.labels) for s in tiny_sequences(24) if s.split == "train" and s.labels[1:]}
    lines = (run / "eval" / "dev.jsonl").read_text().splitlines()
    own = [s for s in map(json.loads, lines) if tuple(s["reference"]) not in known]
    assert 0 < new["num_sequences"] == len(own) < result["num_sequences"]
    assert new["wer"] * new["reference_tokens"] == sum(
        s["substitutions"] + s["deletions"] + s["insertions"] for s in own
    )


def test_an_evaluation_is_scored_again_from_any_of_its_files(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("evaluate", run) == 0
    folder = run / "eval"
    result = json.loads((folder / "dev.json").read_text())
    capsys.readouterr()
    same = ("wer", "substitutions", "deletions", "insertions", "correct", "num_sequences")
    for hypothesis, reference in [("json", "json"), ("ctm", "stm"), ("jsonl", "stm")]:
        words = ["--hypothesis", folder / f"dev.{hypothesis}", "--protocol", "plain", "--json"]
        assert command("score", *words, "--reference", folder / f"dev.{reference}") == 0
        again = json.loads(capsys.readouterr().out)
        assert [again[key] for key in (*same, "wer_ci95", "per_signer")] == [
            result[key] for key in (*same, "wer_ci95", "per_signer")
        ]
        assert again["decoder"] == ("greedy" if hypothesis == "json" else None)


def test_sentences_have_counts_times_and_confidences(run: Path) -> None:
    command("evaluate", run)
    result = json.loads((run / "eval" / "dev.json").read_text())
    lines = (run / "eval" / "dev.jsonl").read_text().splitlines()
    sentences = [json.loads(line) for line in lines]
    assert len(sentences) == result["num_sequences"]
    for key in ("substitutions", "deletions", "insertions", "correct"):
        assert sum(s[key] for s in sentences) == result[key]
    times = {
        (line[0], float(line[2]), float(line[3]), line[4])
        for line in map(str.split, (run / "eval" / "dev.ctm").read_text().splitlines())
    }
    words = [
        (s["id"], start, duration, word)
        for s in sentences
        for start, duration, word in zip(s["start"], s["duration"], s["hypothesis"], strict=True)
    ]
    assert set(words) == times and len(words) == len(times)
    assert all(0 <= c <= 1 for s in sentences for c in s["confidence"])


def test_a_protocol_scores_an_evaluation_as_the_score_command_does(
    run: Path, other_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data_dir", other_corpus, "--split", "test", "--output_dir", tmp_path]
    assert command("evaluate", run, *words) == 0
    own = json.loads((tmp_path / "test.json").read_text())
    assert "protocol" not in own
    assert command("evaluate", run, *words, "--protocol", "phoenix2014") == 0
    assert "protocol phoenix2014; under the run" in " ".join(capsys.readouterr().out.split())
    result = json.loads((tmp_path / "test.json").read_text())
    assert result["policy_wer"] == own["wer"] > 0
    assert result["protocol_floor"] == result["policy_floor"] == 1 / own["reference_tokens"]
    files = ["--hypothesis", tmp_path / "test.ctm", "--reference", tmp_path / "test.stm"]
    assert command("score", *files, "--protocol=phoenix2014", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    for key in ("wer", "substitutions", "deletions", "insertions", "per_signer"):
        assert again[key] == result[key]


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
        assert f"{moved} was trained on it; if it was moved, give --data_dir" in told
    assert command("evaluate", moved, "--data_dir", gone) == 2
    assert "was trained on it" not in capsys.readouterr().err, "the user named it"
    assert command("evaluate", moved, "--data_dir", config["data_dir"]) == 0


def test_a_result_of_another_corpus_and_a_corpus_that_is_another_one_now_are_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = yaml.safe_load((run / "config.yaml").read_text())["data_dir"]
    other = write_tiny(tmp_path / "other", tiny_sequences(8, seed=5))
    copied = tmp_path / "run"
    shutil.copytree(run, copied, symlinks=True)
    for data_dir, told in [(own, None), (other, own), (other, None)]:
        command("evaluate", copied, "--data_dir", data_dir)
        text = f"dev.json: replaced the result for {told} with one for {other}; --output_dir keeps"
        assert (text in capsys.readouterr().err) is (told is not None)
    config = yaml.safe_load((copied / "config.yaml").read_text()) | {"data_dir": str(other)}
    (copied / "config.yaml").write_text(yaml.safe_dump(config))
    assert command("evaluate", copied) == 0
    assert f"{other} holds other data" in capsys.readouterr().err


def test_predictions_say_what_they_are_of_and_are_not_replaced_without_a_word(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = yaml.safe_load((run / "config.yaml").read_text())["data_dir"]
    other = write_tiny(tmp_path / "other", tiny_sequences(8, seed=6))
    out = tmp_path / "out"
    for data_dir, before in [(own, None), (own, None), (other, own)]:
        command("predict", run, "--data_dir", data_dir, "--output_dir", out)
        told = f"replaced the result for {before} with one for {other}" in capsys.readouterr().err
        assert told is (before is not None)
        written = json.loads((out / "dev.json").read_text())
        checkpoint = str((run / "best").resolve())
        assert written == {
            "decoder": "greedy",
            "checkpoint": checkpoint,
            "data_dir": str(data_dir),
        }


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


@pytest.fixture(scope="module")
def short_run(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on sequences of which most are subsampled."""
    folder = tmp_path_factory.mktemp("runs") / "short"
    train.run(
        folder,
        epochs=12,
        dropout=0.0,
        block_dropout=0.0,
        eval_steps=50,
        log_steps=50,
        max_frames=14,
        dynamic_truncation=True,
        reduction=2,
        output_stride=2,
    )
    return folder


def test_a_saved_model_subsamples_as_its_run_does_and_its_card_says_so(
    short_run: Path, tmp_path: Path
) -> None:
    assert command("evaluate", short_run) == 0
    assert command("models", short_run, "--out", tmp_path / "model") == 0
    corpus = RunFolder(short_run).config()["data_dir"]
    words = ("--data_dir", corpus, "--output_dir", tmp_path / "out")
    assert command("evaluate", tmp_path / "model", *words) == 0
    text = (tmp_path / "out" / "dev.ctm").read_text()
    assert text and text == (short_run / "eval" / "dev.ctm").read_text()
    assert "subsampled evenly in time to 14" in (tmp_path / "model" / "README.md").read_text()


def motion_model(folder: Path, rate: float | None) -> Path:
    """It reads velocity and acceleration, and says A from the first frame to the last."""
    torch.manual_seed(0)
    settings = FeatureSettings(groups=("velocity", "acceleration"))
    model = make_model(
        "student",
        FeatureTransform(TINY_LAYOUT, settings, rate),
        StudentSettings(channels=8, lstm_hidden=4),
        num_outputs=3,
    )
    with torch.no_grad():
        model.head.bias[1] = 100
    save_pretrained(folder, model, Vocabulary(("A", "B"), "raw"))
    return folder


def motion_corpus(folder: Path, rate: float, told: float | None) -> Path:
    """Two seconds of one movement, recorded at `rate`: a parabola, whose central differences are
    its velocity at any rate. `told` is what the corpus says."""
    seconds = np.arange(int(2 * rate))[:, None] / rate
    values = seconds * [0.5, -0.4, 0.3, 0.2] + seconds**2 * [0.1, 0.3, -0.2, 0.4]
    presence = np.ones((len(values), 2), bool)
    one = Sequence("s0", "dev", "signer0", values.astype(np.float32), presence, [])
    write_corpus(
        folder, [one], layout=TINY_LAYOUT, dtype="float32", frames_per_second=told, source={}
    )
    return folder


@pytest.fixture
def features_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """What a model makes of a corpus in `predict`, without its first and last frame: [T, F]."""
    made: list[torch.Tensor] = []
    forward = FeatureTransform.forward

    def recorded(self: FeatureTransform, *batch: torch.Tensor) -> torch.Tensor:
        made.append(forward(self, *batch))
        return made[-1]

    monkeypatch.setattr(FeatureTransform, "forward", recorded)

    def features(model: Path, corpus: Path) -> torch.Tensor:
        out = tmp_path / f"{model.name} of {corpus.name}"
        assert command("predict", model, "--data_dir", corpus, "--output_dir", out) == 0
        return made[-1][0, 1:-1]

    return features


def test_a_movement_has_the_same_velocity_in_a_corpus_of_another_rate(
    features_of, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = motion_model(tmp_path / "model", 25.0)
    own = features_of(model, motion_corpus(tmp_path / "own", 25.0, 25.0))
    assert "frames per second" not in capsys.readouterr().err
    other = features_of(model, motion_corpus(tmp_path / "other", 50.0, 50.0))
    torch.testing.assert_close(other[1::2][: len(own)], own, atol=2e-3, rtol=2e-3)
    told = capsys.readouterr().err
    assert told.count("has 50 frames per second, the model was trained at 25") == 1
    close = features_of(model, motion_corpus(tmp_path / "close", 30.0, 30.0))
    torch.testing.assert_close(close[5::6], own[4::5][: len(close[5::6])], atol=2e-3, rtol=2e-3)
    assert "frames per second" not in capsys.readouterr().err


@pytest.mark.parametrize(("trained", "told"), [(None, 50.0), (25.0, None)])
def test_motion_is_left_alone_where_one_of_the_rates_is_not_known(
    features_of, tmp_path: Path, trained: float | None, told: float | None
) -> None:
    model = motion_model(tmp_path / "model", trained)
    own = features_of(model, motion_corpus(tmp_path / "own", 25.0, None))
    other = features_of(model, motion_corpus(tmp_path / "other", 50.0, told))
    velocity = [0, 1, 4, 5]  # of two blocks, each with its acceleration after it
    found, expected = other[1::2][: len(own), velocity], own[:, velocity] / 2
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize(
    ("trained", "told", "seconds"), [(None, 50.0, 2.0), (50.0, None, 2.0), (50.0, 25.0, 4.0)]
)
def test_words_have_the_times_of_the_corpus_or_else_of_the_models_rate(
    tmp_path: Path, trained: float | None, told: float | None, seconds: float
) -> None:
    model = motion_model(tmp_path / "model", trained)
    corpus = motion_corpus(tmp_path / "corpus", 50.0, told)
    command("predict", model, "--data_dir", corpus, "--output_dir", tmp_path / "out")
    (line,) = (tmp_path / "out" / "dev.ctm").read_text().splitlines()
    _, _, start, duration, word, *_ = line.split()
    assert (float(start), float(duration), word) == (0, seconds, "A")


@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_out_of_memory_says_below_which_batch_size_to_go(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def no_memory(*args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Student, "forward", no_memory)
    assert command(name, run, "--batch_size", "4") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: out of memory") and "--batch_size below 4" in error
    assert command(name, run, "--batch_size", "1") == 1
    error = capsys.readouterr().err
    assert "1 sequence x " in error and "--batch_size" not in error


@pytest.mark.parametrize("budget", [50, "auto"])
def test_the_runs_limit_of_a_batch_holds_in_evaluation_too(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int | str
) -> None:
    sizes: list[tuple[int, int]] = []
    forward = Student.forward

    def recorded(self: Student, *batch: torch.Tensor) -> object:
        sizes.append((len(batch[1]), batch[1].shape[1]))
        return forward(self, *batch)

    monkeypatch.setattr(Student, "forward", recorded)
    command("evaluate", run, "--output_dir", tmp_path / "usual")
    assert max(size[0] for size in sizes) == 6  # the report reads some again
    limited = tmp_path / "limited"
    shutil.copytree(run, limited, symlinks=True)
    config = limited / "config.yaml"
    text = config.read_text().replace("batch_frames: null", f"batch_frames: {budget}")
    config.write_text(text)
    record_batch_frames(RunFolder(limited), 50)  # what `auto` found
    sizes.clear()
    assert command("evaluate", limited, "--output_dir", tmp_path / "out") == 0
    assert len(sizes) > 1 and all(n * t <= 50 or n == 1 for n, t in sizes)
    results = [json.loads((tmp_path / n / "dev.json").read_text())["wer"] for n in ("usual", "out")]
    assert results[0] == results[1]


@pytest.mark.distributed
def test_two_processes_score_as_one_does(run: Path, tmp_path: Path) -> None:
    beam = ("--decoder", "beam", "--beam", "3")
    command("evaluate", run, "--output_dir", tmp_path / "one", *beam)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"),
            *("--config_file", "accelerate_configs/cpu_2proc.yaml", "--main_process_port", "0"),
            *("-m", "slr_accel.cli", "evaluate", str(run), "--output_dir", str(tmp_path / "two")),
            *beam,
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for name in ("dev.json", "dev.ctm", "dev.jsonl"):
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


def one_split(folder: Path, *splits: str) -> Path:
    """The tiny corpus with other names of splits."""
    sequences = enumerate(tiny_sequences(8, seed=7))
    return write_tiny(folder, [replace(s, split=splits[i % len(splits)]) for i, s in sequences])


def test_predict_shows_the_first_transcripts_of_the_only_split(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = one_split(tmp_path / "corpus", "own"), tmp_path / "out"
    words = (run, "--data_dir", corpus, "--output_dir", out)
    assert command("predict", *words) == 0
    *shown, more, empty, total, transcripts, times = capsys.readouterr().out.splitlines()
    written = [json.loads(line) for line in (out / "own.jsonl").read_text().splitlines()]
    assert shown == [f"{w['id']}  {w['hypothesis'] or '(no words)'}" for w in written[:5]]
    assert (more, empty, total) == ("... and 3 more", "", "8 sequences of the split own")
    assert f"{out}/own.jsonl" in transcripts and f"{out}/own.ctm" in times
    assert command("evaluate", *words) == 0
    assert "own: WER" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("id", "words"), [("x" * 90, "A"), ("s", "A " * 60), ("手" * 40, "语" * 90)]
)
def test_a_transcript_fits_a_line_of_80_columns(id: str, words: str) -> None:
    line = shown_line(id, words)
    assert cell_len(line) <= 80 and line.startswith(id[:10]) and words[0] in line


def test_of_several_splits_without_dev_one_has_to_be_chosen(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = one_split(tmp_path / "corpus", "test", "train")
    for name in ("evaluate", "predict"):
        assert command(name, run, "--data_dir", corpus) == 2
        assert f"{corpus} has the splits test, train; give --split" in capsys.readouterr().err


def test_a_run_is_opened_from_python(run: Path) -> None:
    command("predict", run)
    written = (run / "predictions" / "dev.jsonl").read_text().splitlines()
    with open_run(str(run)) as opened:
        transcript = opened.transcribe(opened.corpus.rows.of_split(opened.split))
    words = [" ".join(opened.vocabulary.decode(h.tokens)) for h in transcript.hypotheses]
    assert words == [json.loads(line)["hypothesis"] for line in written]


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


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def lm(run: Path) -> Path:
    """A language model of the run's train sentences."""
    path = run / "lm.arpa"
    corpus = yaml.safe_load((run / "config.yaml").read_text())["data_dir"]
    assert command("lm", "train", corpus, "--out", path, "--order", 2) == 0
    return path


def errors_of(result: dict[str, Any]) -> int:
    return int(result["substitutions"] + result["deletions"] + result["insertions"])


def test_beam_search_says_what_it_decoded_with_and_what_else_it_held(
    run: Path, lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--decoder", "beam", "--language_model", lm, "--beam", 4, "--alpha", 0.3]
    assert command("evaluate", run, *words, "--output_dir", tmp_path) == 0
    result = json.loads((tmp_path / "dev.json").read_text())
    assert result["decoder"] == f"beam 4, language model {lm}, alpha 0.3, beta 1"
    assert result["wer"] < 0.5
    printed = capsys.readouterr()
    assert "with greedy decoding: the language model helped in" in printed.out
    assert "replaced" not in printed.err
    for line in (tmp_path / "dev.jsonl").read_text().splitlines():
        sentence = json.loads(line)
        held = sentence["n_best"]
        assert held[0]["hypothesis"] == sentence["hypothesis"]
        assert 1 < len(held) <= 4
        assert [h["score"] for h in held] == sorted((h["score"] for h in held), reverse=True)
        assert len(sentence["start"]) == len(sentence["hypothesis"])
    assert command("evaluate", run, "--output_dir", tmp_path, "--json") == 0
    printed, plain = capsys.readouterr(), json.loads((tmp_path / "dev.json").read_text())
    assert f"replaced the result for {result['decoder']} with one for greedy" in printed.err
    assert result["greedy"]["wer"] == plain["wer"] and "greedy" not in plain
    saved = errors_of(plain) - errors_of(result)
    assert (saved > 0) <= result["greedy"]["helped"] and (saved < 0) <= result["greedy"]["hurt"]
    assert command("evaluate", run, "--language_model", lm, "--output_dir", tmp_path) == 2
    assert "no effect with the decoder greedy" in capsys.readouterr().err


@pytest.fixture(scope="module")
def beam_run(
    train: TrainCommand, lm: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A run with a decoder, and what its training printed."""
    folder = tmp_path_factory.mktemp("runs") / "beam"
    return folder, train.run(folder, epochs=1, decoder="beam", language_model=lm)


def test_a_run_decodes_with_the_language_model_that_it_was_trained_with(
    beam_run: tuple[Path, str], lm: Path, tmp_path: Path
) -> None:
    folder, printed = beam_run
    assert f"best weights with beam 10, language model {lm}, alpha 0.4, beta 1: WER" in printed
    assert command("predict", folder, "--split", "dev") == 0
    assert "beam 10" in json.loads((folder / "predictions" / "dev.json").read_text())["decoder"]
    assert "n_best" in (folder / "predictions" / "dev.jsonl").read_text()
    words = ["--decoder", "greedy", "--output_dir", tmp_path]
    assert command("predict", folder, "--split", "dev", *words) == 0
    assert json.loads((tmp_path / "dev.json").read_text())["decoder"] == "greedy"
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert any("wer_decoded" in json.loads(line) for line in lines)


def test_runs_of_one_vocabulary_decode_together(
    run: Path,
    beam_run: tuple[Path, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, other = ["--output_dir", tmp_path / "out"], beam_run[0]
    assert command("evaluate", run, other, *out) == 0
    result = json.loads((tmp_path / "out" / "dev.json").read_text())
    assert [Path(path).parents[1] for path in result["averaged_with"]] == [other]
    with open_run(str(run)) as one, open_run(str(run), others=[str(run)]) as both:
        rows = one.corpus.rows.of_split("dev")
        alone, twice = (o.transcribe(rows).hypotheses for o in (one, both))
        assert [h.tokens for h in twice] == [h.tokens for h in alone]
    assert command("evaluate", run, other) == 2
    assert "give --output_dir" in capsys.readouterr().err
    vocabulary = Vocabulary(("A", "B", "C", "E"), "raw")
    strange = tmp_path / "strange"
    shutil.copytree(other / "best", strange)
    vocabulary.save(strange / "vocabulary.json")
    assert command("evaluate", run, strange, *out) == 2
    assert "they differ in vocabulary" in capsys.readouterr().err


def test_a_language_model_of_less_weight_is_told(
    run: Path, lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in lm.read_text().splitlines() if not line.startswith("#")]
    for held_out, told in (("3.00", True), ("2.00", False)):
        first = f"# perplexity of held-out sentences {held_out}, of single words 4.00"
        (tmp_path / "lm.arpa").write_text("\n".join([first, *lines, ""]))
        words = ["--decoder", "beam", "--language_model", tmp_path / "lm.arpa"]
        assert command("predict", run, *words, "--output_dir", tmp_path) == 0
        assert ("lm.arpa: alpha and beta count 50%" in capsys.readouterr().err) == told


def test_a_language_model_is_made_of_train_or_of_a_text_alone(
    lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("D A\n\nA B\n")
    assert command("lm", "train", "--text", tmp_path / "text", "--out", tmp_path / "a.arpa") == 0
    assert "3 words" in capsys.readouterr().out
    (tmp_path / "text").write_text("D A\nA B\nD A\n\n" * 8)
    assert command("lm", "train", "--text", tmp_path / "text", "--out", tmp_path / "a.arpa") == 0
    assert "22 of 24 sentences are copies" in capsys.readouterr().out
    assert command("lm", "train", "--out", tmp_path / "a.arpa") == 2
    assert "either a CORPUS" in capsys.readouterr().err
    out = tmp_path / "absent" / "a.arpa"
    assert command("lm", "train", "--text", tmp_path / "text", "--out", out) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_weights_are_tuned_on_a_large_dev_alone_and_stay_in_the_run(
    beam_run: tuple[Path, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "run"
    shutil.copytree(beam_run[0], run, symlinks=True)
    assert command("evaluate", run, "--tune") == 2
    assert "must not be what is scored" in capsys.readouterr().err
    assert command("evaluate", run, "--tune", "--split", "train") == 2
    assert "dev has 6 sentences, and --tune needs 300" in capsys.readouterr().err
    several = (run, beam_run[0], "--tune", "--split", "train", "--output_dir", tmp_path / "both")
    assert command("evaluate", *several) == 2
    assert "leave out the others" in capsys.readouterr().err
    assert not (run / "decoding.yaml").exists()
    monkeypatch.setattr("slr_accel.commands.tuning.LEAST", 6)
    monkeypatch.setattr("slr_accel.commands.tuning.ALPHAS", (0.3,))
    monkeypatch.setattr("slr_accel.commands.tuning.BETAS", (0.7,))
    assert command("evaluate", run, "--tune", "--split", "train") == 0
    assert "alpha 0.3 and beta 0.7" in capsys.readouterr().err
    for words, weights in {(): "alpha 0.3, beta 0.7", ("--beta", "2"): "alpha 0.3, beta 2"}.items():
        assert command("evaluate", run, *words) == 0
        result = json.loads((run / "eval" / "dev.json").read_text())
        assert result["decoder"].endswith(weights)
