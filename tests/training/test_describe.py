"""The first batch is shown as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.vocabulary import Vocabulary
from slr_accel.loading.loader import load_batch
from slr_accel.training.describe import describe_batch


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
