"""The first batch is shown as it is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from run_helpers import TrainCommand

from slr_accel.corpus.reader import open_corpus
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.loader import load_batch
from slr_accel.training.descriptions import describe_batch, describe_validation


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
    for before, rank in [
        (math.inf, "25.00% (best)  blank"),
        (0.25, "25.00% (equals the best)  blank"),
        (0.2, "25.00%  blank"),
    ]:
        assert rank in describe_validation(1, 7, figures, best_before=before)


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
