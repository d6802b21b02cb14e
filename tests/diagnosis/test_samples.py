"""Samples are spread evenly, and leave out no row that could hold the same recording."""

from pathlib import Path

import numpy as np
from run_helpers import tiny_sequences, write_tiny

from slr_accel.corpus.reader import open_corpus
from slr_accel.diagnosis.samples import evenly, look_alikes


def test_a_sample_reaches_from_the_first_to_the_last_row() -> None:
    assert evenly(np.arange(100), 3).tolist() == [0, 50, 99]
    assert evenly(np.arange(2), 3).tolist() == [0, 1]


def test_rows_of_other_length_or_labels_are_no_look_alikes(tmp_path: Path) -> None:
    corpus = open_corpus(write_tiny(tmp_path / "corpus", tiny_sequences(40)))
    rows = np.arange(len(corpus.rows))
    for row in rows[:10]:
        alike = look_alikes(corpus, np.array([row]), rows)
        expected = [
            other
            for other in rows
            if corpus.rows.frames[other] == corpus.rows.frames[row]
            and corpus.labels(other) == corpus.labels(row)
        ]
        assert alike.tolist() == expected
