"""A validation computes what `slr-accel evaluate` will."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from models_helpers import LAYOUTS, make, random_batch, run
from run_helpers import SMALL, TrainCommand, metrics, tiny_sequences, write_tiny

from slr_accel.corpus.reader import open_corpus
from slr_accel.ctc.loss import ctc_loss
from slr_accel.loading.loader import load_batch
from slr_accel.models.folder import load_model
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.run import build_settings
from slr_accel.training import start
from slr_accel.training.data import evaluation_targets, scored_rows
from slr_accel.training.setup import set_up
from slr_accel.training.validation import full_precision


def test_scores_are_in_float32_whatever_training_computes_in() -> None:
    layout = LAYOUTS["tracks"]
    model, batch = make("student", layout).eval(), random_batch(layout, [30, 12])
    expected = run(model, batch).log_probs
    Accelerator(cpu=True, mixed_precision="bf16").prepare(model)
    assert not torch.equal(run(model, batch).log_probs, expected)
    with full_precision(model):
        assert torch.equal(run(model, batch).log_probs, expected)
    assert not torch.equal(run(model, batch).log_probs, expected)


def test_the_loss_of_a_validation_is_that_of_ctc_a_token(
    train: TrainCommand, tiny_corpus: Path, tmp_path: Path
) -> None:
    train.run(tmp_path / "run", epochs=1, blank_margin=0.5)
    model, vocabulary = load_model(tmp_path / "run" / "best")
    corpus = open_corpus(tiny_corpus)
    rows = corpus.rows.of_split("dev")
    targets = {int(row): vocabulary.encode(corpus.labels(row)) for row in rows}
    total = 0.0
    for row in rows:
        batch = load_batch(corpus, np.array([row]), targets)
        output = run(model.eval(), batch)
        total += ctc_loss(*output[:2], batch.targets, batch.target_lengths, blank_margin=0.5).item()
    expected = total / sum(map(len, targets.values()))
    assert metrics(tmp_path / "run")[-1]["eval_loss"] == pytest.approx(expected, rel=1e-4)


def test_sequences_with_labels_that_training_lacks_have_no_loss(tmp_path: Path) -> None:
    sequences = tiny_sequences(12)
    unseen = next(sequence for sequence in sequences if sequence.split == "dev")
    unseen.labels[0] = "UNSEEN"
    corpus = open_corpus(write_tiny(tmp_path / "corpus", sequences))
    settings = build_settings({"data_dir": "c", "output_dir": "r", **SMALL})
    vocabulary, rows = start.make_vocabulary(settings, corpus), corpus.rows.of_split("dev")
    found = evaluation_targets(settings, corpus, vocabulary, rows)
    assert len(found) == len(rows) - 1
    assert unseen.id not in {corpus.rows.id(row) for row in found}


def test_a_run_starts_with_one_model_and_reads_its_labels_once(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(make):
        def noted(*arguments):
            made.append(make.__name__)
            return make(*arguments)

        return noted

    monkeypatch.setattr(start, "make_model", counted(start.make_model))
    monkeypatch.setattr(start, "train_data", counted(start.train_data))
    values = {"data_dir": str(tiny_corpus), "output_dir": str(tmp_path / "run"), **SMALL}
    settings, corpus = build_settings(values), open_corpus(tiny_corpus)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    for _ in range(2):  # the first start, and a later one
        made.clear()
        with set_up(settings, corpus, RunFolder(tmp_path / "run")):
            assert sorted(made) == ["make_model", "train_data"]


@pytest.fixture
def settings_of(tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes settings of a run on the tiny corpus."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    usual = {**SMALL, "data_dir": str(tiny_corpus), "output_dir": str(tmp_path / "run")}
    return lambda **changed: build_settings({**usual, **changed})


def test_of_few_train_sequences_the_same_ones_are_scored(settings_of, tiny_corpus: Path) -> None:
    corpus = open_corpus(tiny_corpus)

    def rows(**changed: object) -> tuple[list[int], list[int]]:
        settings = settings_of(**changed)
        data = start.train_data(settings, corpus, start.make_vocabulary(settings, corpus))
        return data.rows.tolist(), scored_rows(settings, corpus, data).tolist()

    trained, scored = rows(num_train_samples=5, eval_split="train")
    assert trained == scored and len(scored) == 5
    assert rows(num_train_samples=5)[1] == corpus.rows.of_split("dev").tolist()
    assert rows(eval_split="train")[1] == corpus.rows.of_split("train").tolist()


def test_zeros_in_a_row_end_a_run(settings_of, tiny_corpus: Path, tmp_path: Path) -> None:
    settings, corpus = settings_of(zero_wer_patience=2), open_corpus(tiny_corpus)
    with set_up(settings, corpus, RunFolder(tmp_path / "run")) as trainer:
        for wers, is_over in [([0, 0.1, 0], False), ([0, 0.1, 0, 0], True), ([0, 0, 0.1], False)]:
            trainer.state.validations = list(enumerate(map(float, wers)))
            assert trainer.is_over == is_over
            assert trainer.stopped_early_by == ("zero_wer_patience" if is_over else None)
