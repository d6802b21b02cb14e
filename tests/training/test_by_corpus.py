"""Without a recipe or a number of epochs, a run has those that fit the size of its corpus."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from run_helpers import TrainCommand, metrics, tiny_sequences, write_tiny

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.runs.run_folder import CONFIG_FILE, RunFolder
from slr_accel.settings.command_line import parse_settings
from slr_accel.settings.recipes import GENERAL, read_recipe
from slr_accel.settings.run import build_settings
from slr_accel.training.by_corpus import (
    LEAST_EPOCHS,
    LEAST_STEPS,
    epochs_by_size,
    fitting_stride,
    values_by_corpus,
    with_epochs,
)

FOLDERS = {"data_dir": "c", "output_dir": "r"}


@pytest.mark.parametrize(("rows", "epochs"), [(1, LEAST_STEPS), (800, 60), (7000, LEAST_EPOCHS)])
def test_a_small_corpus_has_more_epochs(rows: int, epochs: int) -> None:
    settings = build_settings({**FOLDERS, "batch_size": 4, "micro_batches_per_step": 2})
    assert epochs_by_size(settings, rows) == epochs


def test_epochs_that_are_given_stay(tiny_corpus: Path, tmp_path: Path) -> None:
    corpus, run = open_corpus(tiny_corpus), RunFolder(tmp_path)
    given = build_settings({**FOLDERS, "epochs": 3})
    assert with_epochs(given, corpus, run) is given
    assert with_epochs(build_settings(FOLDERS), corpus, run).training.num_epochs == 1200


def test_the_recipe_is_chosen_for_the_student_alone(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"data_dir": str(tiny_corpus), "output_dir": str(tmp_path / "run")}
    own = {"output_stride": 4, "reduction": 4}
    assert values_by_corpus(given, None) == read_recipe("own_small") | own
    assert values_by_corpus(given, "own_large") == read_recipe("own_large") | own
    assert "recipe own_small by the size of the corpus (18 train" in capsys.readouterr().out
    assert values_by_corpus({**given, "model": "speech"}, None) == {}


def test_a_corpus_that_the_recipe_is_chosen_by_is_opened_once(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_module = import_module("slr_accel.train")
    found: list[object] = []
    monkeypatch.setattr(train_module, "train", lambda *arguments: found.extend(arguments) or 0)
    words = [f"--data_dir={tiny_corpus}", f"--output_dir={tmp_path / 'run'}", "--cache_gb=7"]
    assert train_module.main(words) == 0
    assert isinstance(found[-1], Corpus) and found[-1].folder == tiny_corpus
    found.clear()
    assert train_module.main([*words, "--recipe=none"]) == 0
    assert len(found) == 2


@pytest.mark.parametrize(("kept", "stride"), [(1, 4), (3, 2), (6, 1)])
def test_signs_of_few_frames_have_a_smaller_stride(kept: int, stride: int, tmp_path: Path) -> None:
    """Every third, or sixth, frame is kept, of 6 to 13 frames a sign."""
    sequences = [
        replace(s, features=s.features[::kept], presence=s.presence[::kept])
        for s in tiny_sequences(40)
    ]
    corpus = open_corpus(write_tiny(tmp_path / "corpus", sequences))
    assert fitting_stride(corpus, "raw") == stride


@pytest.mark.parametrize("name", GENERAL)
def test_a_general_recipe_warns_of_nothing_that_a_layout_lacks(name: str) -> None:
    values = {**read_recipe(name), **FOLDERS}
    settings = build_settings(values, quiet=values)
    assert not settings.features.model_fields_set


def test_a_run_continues_with_its_own_settings(train: TrainCommand, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train.run(run, max_steps=2)
    only = dict.fromkeys(("epochs", "batch_size", "channels", "lstm_hidden", "lstm_layers"))
    only |= dict.fromkeys(("log_steps", "learning_rate", "recipe"))
    train.run(run, **only, max_steps=4)
    assert [line["step"] for line in metrics(run) if "loss" in line] == [1, 2, 3, 4]


def test_a_run_of_another_model_is_refused_by_the_run_itself(tmp_path: Path) -> None:
    words = ["--data_dir=c", f"--output_dir={tmp_path}"]
    values = parse_settings(words, "train").flat()
    text = yaml.safe_dump(json.loads(json.dumps(values, default=str)))
    (tmp_path / CONFIG_FILE).write_text(text, encoding="utf-8")
    settings = parse_settings([*words, "--model=speech"], "train", values_by_corpus)
    assert settings.training.model == "speech"
