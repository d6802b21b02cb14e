"""The first batch is shown as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_helpers import TrainCommand

from slr_accel.corpus.reader import open_corpus
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.loader import load_batch
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import TrainState
from slr_accel.settings.run import Settings, build_settings
from slr_accel.training.descriptions import describe_batch, describe_trouble, describe_validation


def test_presence_ranges_and_targets_are_those_of_the_corpus(tiny_corpus: Path) -> None:
    corpus = open_corpus(tiny_corpus)
    vocabulary = Vocabulary(("A", "B", "C", "D"), "raw")
    rows = corpus.rows.of_split("train")[:3]
    targets = {int(row): vocabulary.encode(corpus.labels(row)) for row in rows}
    text = describe_batch(load_batch(corpus, rows, targets), corpus, vocabulary)
    hands = np.concatenate([corpus.features(row)[corpus.presence(row)[:, 1], 2:] for row in rows])
    assert "left_hand: present in 0% of frames\n" in text
    assert f"values {hands.min():.4g} to {hands.max():.4g}" in text
    assert " ".join(corpus.labels(rows[0])) in text
    assert str([int(n) for n in corpus.rows.frames[rows]]) in text


def test_a_validation_as_good_as_the_best_does_not_call_itself_better() -> None:
    figures = {"wer": 0.25, "blank_share": 0.5, "empty_share": 0.0, "distinct_tokens": 3}
    for rank, shown in [
        ("best", "25.00% (best)  blank"),
        ("equals the best", "25.00% (equals the best)  blank"),
        ("", "25.00%  blank"),
    ]:
        assert shown in describe_validation(1, 7, figures, rank)


def test_the_warning_at_the_end_names_the_schedule_that_took_the_learning_rate_away() -> None:
    words = {"data_dir": "a", "output_dir": "b", "schedule": "plateau", "learning_rate": 0.1}
    run = RunFolder(Path("run"))

    def told(settings: Settings, validations: list[tuple[int, float]], **state: Any) -> str:
        progress = TrainState(validations=validations, **state)
        return "\n".join(describe_trouble(settings, run, progress, "all are the same", {}))

    flat = [(step, 1.0) for step in range(1, 8)]
    assert "reduced the learning rate 2 times, from 0.1 to 0.025" in told(
        build_settings(words), flat
    )
    assert "schedule" not in told(build_settings(words), flat, silent=list(range(1, 8)))
    assert "schedule" not in told(build_settings({**words, "schedule": "cosine"}), flat)


@pytest.mark.slow
def test_a_run_that_never_said_a_word_ends_with_a_warning(
    train: TrainCommand, tmp_path: Path
) -> None:
    output = train.run(tmp_path / "run", epochs=2, learning_rate=1e-6)
    end = output[output.index("score it:") :]
    assert "warning: " in end and "hypothes" in end
    output = train.run(tmp_path / "short", max_steps=1, learning_rate=1e-6)
    assert (
        output.count("of the output does not depend on") + output.count("hypothesis is empty") <= 1
    )
