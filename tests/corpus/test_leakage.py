"""Sentences of other splits that train has word for word are found, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_helpers import tiny_sequences, write_tiny

from slr_accel.corpus.leakage import explain_repeated, repeated_sentences
from slr_accel.corpus.reader import open_corpus


@pytest.mark.parametrize(
    ("policy", "words", "found"),
    [
        ("raw", "loc-NORD WIND", True),
        ("raw", "NORD WIND", False),
        ("phoenix2014", "NORD WIND", True),
        ("phoenix2014", "WIND NORD", False),
        ("raw", "REGEN", False),
        ("raw", "loc-NORD WIND REGEN", False),
    ],
)
def test_words_are_compared_as_they_are_scored(
    tmp_path: Path, policy: str, words: str, found: bool
) -> None:
    train, single, dev = (replace(s, split="train") for s in tiny_sequences(3))
    sequences = [
        replace(train, labels=["loc-NORD", "WIND"]),
        replace(single, labels=["REGEN"]),
        replace(dev, split="dev", labels=words.split()),
    ]
    corpus = open_corpus(write_tiny(tmp_path / "corpus", sequences))
    rows = corpus.rows.of_split("dev")
    assert repeated_sentences(corpus, rows, policy).tolist() == [found]
    assert not repeated_sentences(corpus, corpus.rows.of_split("train"), policy).any()


def test_a_corpus_without_train_repeats_nothing(tmp_path: Path) -> None:
    sequences = [replace(s, split="test") for s in tiny_sequences(4)]
    corpus = open_corpus(write_tiny(tmp_path / "corpus", sequences))
    assert not repeated_sentences(corpus, corpus.rows.of_split("test")).any()


def test_the_note_says_how_many_there_are() -> None:
    assert explain_repeated(np.zeros(3, bool), "dev") is None
    told = explain_repeated(np.array([True, False, False, True]), "dev")
    assert told == "2 of 4 sentences of dev (50%) are in train word for word"
