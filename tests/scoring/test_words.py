"""Hypotheses are shown in words with their times, and what no model can say is counted."""

import json

import pytest

from slr_accel.ctc.decoders import Hypothesis
from slr_accel.labels.policies import reference_labels, train_labels
from slr_accel.labels.vocabulary import Vocabulary, build_vocabulary
from slr_accel.scoring.wer import Counts
from slr_accel.scoring.words import (
    Word,
    recognised_texts,
    recognised_words,
    unavoidable_errors,
    unsayable,
)


def test_a_token_that_is_a_word_keeps_its_time_and_confidence():
    vocabulary = Vocabulary(("HEUTE", "REGEN"), "raw")
    hypothesis = Hypothesis([2, 1], start=[0, 4], end=[3, 5], confidence=[0.5, 0.75])
    assert recognised_words(vocabulary, hypothesis) == [
        Word("REGEN", 0, 3, 0.5),
        Word("HEUTE", 4, 5, 0.75),
    ]


def test_a_spelled_word_spans_its_characters():
    vocabulary = build_vocabulary([train_labels("characters", ["AB", "C"])], "characters")
    said = vocabulary.encode("|AB||C")
    hypothesis = Hypothesis(
        said,
        start=[0, 2, 5, 7, 8, 9],
        end=[1, 3, 6, 8, 9, 12],
        confidence=[0.1, 0.5, 1.0, 0.1, 0.1, 0.25],
    )
    assert recognised_words(vocabulary, hypothesis) == [
        Word("AB", 2, 6, 0.75),
        Word("C", 9, 12, 0.25),
    ]
    nothing = Hypothesis([], [], [], [])
    assert recognised_texts(vocabulary, [hypothesis, nothing]) == [["AB", "C"], []]


def test_words_outside_the_vocabulary_are_unavoidable_errors():
    vocabulary = Vocabulary(("A", "B"), "raw")
    assert unavoidable_errors(vocabulary, [["A", "B"], ["B", "B"]]) == Counts(correct=4)
    assert unavoidable_errors(vocabulary, [["A", "X", "B"], ["Y"]]) == Counts(2, deletions=2)


def test_a_word_that_cannot_be_spelled_is_an_unavoidable_error():
    vocabulary = build_vocabulary([list("AB")], "characters")
    # XA is heard as A, XX not at all.
    errors = unavoidable_errors(vocabulary, [["AB", "XA"], ["XX", "BA"]])
    assert errors == Counts(correct=2, substitutions=1, deletions=1)


def test_words_that_differ_from_the_vocabularys_in_case_or_unicode_form_alone_are_told():
    vocabulary = Vocabulary(("HAUS", "K\u00dcSTE"), "raw")
    found = unsayable(vocabulary, [["haus", "HAUS", "KU\u0308STE"], ["haus", "NEU"]])
    assert (found.words, found.reference_words, found.alike) == (4, 5, 3)
    assert "4 of 5 reference words" in found.told() and "3 of them differ" in found.told()
    assert unsayable(vocabulary, [["HAUS"]]).told() is None
    assert "alone" not in unsayable(vocabulary, [["NEU"]]).told()
    letters = build_vocabulary([list("AB")], "characters")
    assert unsayable(letters, [["ab", "BA", "ax"]]).alike == 1


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("policy", "dev", "test"),
    [
        ("filtered973", 0.1294, 0.1252),
        ("phoenix2014", 0.0086, 0.0053),
    ],
)
def test_what_the_best_model_of_phoenix_si5_cannot_say(shared_data, policy, dev, test):
    lines = (shared_data / "phoenix2014" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    sentences = {"train": [], "dev": [], "test": []}
    for row in map(json.loads, lines):
        if row["si5"] is not None:
            sentences[row["si5"]].append(row["raw"].split())
    train = (train_labels(policy, words) for words in sentences["train"])
    vocabulary = build_vocabulary(train, policy)
    for split, floor in (("dev", dev), ("test", test)):
        errors = unavoidable_errors(vocabulary, reference_labels(policy, sentences[split]))
        assert errors.wer == pytest.approx(floor, abs=0.00005)
