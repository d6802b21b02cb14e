"""A label policy says what is trained on, what is scored, and how tokens become words again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.labels.policies import (
    LABEL_POLICIES,
    Span,
    reference_labels,
    separator,
    spelled,
    train_labels,
    word_spans,
)

WORDS = st.lists(st.text(st.characters(exclude_characters="|"), min_size=1, max_size=5), max_size=5)
RAW = ["loc-NORD", "IX", "__PU__", "REGEN", "REGEN"]


@pytest.mark.parametrize(
    ("policy", "tokens"),
    [
        ("raw", "loc-NORD IX __PU__ REGEN REGEN"),
        ("phoenix2014", "NORD IX REGEN"),
        ("phoenix2014t", "NORD IX REGEN"),
        ("filtered973", "REGEN REGEN"),
        ("characters", "l o c - N O R D | I X | _ _ P U _ _ | R E G E N | R E G E N"),
    ],
)
def test_training_takes_the_tokens_of_its_policy(policy, tokens):
    assert " ".join(train_labels(policy, RAW)) == tokens


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("raw", "loc-NORD IX __PU__ REGEN REGEN"),
        ("phoenix2014", "NORD IX REGEN"),
        ("phoenix2014t", "NORD IX REGEN"),
        ("filtered973", "NORD IX REGEN"),
        ("characters", "loc-NORD IX __PU__ REGEN REGEN"),
    ],
)
def test_scoring_takes_words_and_never_what_a_filter_left(policy, words):
    assert [" ".join(w) for w in reference_labels(policy, [RAW])] == [words]


@pytest.mark.parametrize("policy", ["phoenix2014", "phoenix2014t", "filtered973"])
def test_a_split_that_is_clean_already_is_scored_as_it_is(policy):
    clean = [["REGEN", "REGEN", "S", "H"], ["TAG"]]
    assert reference_labels(policy, clean) == clean
    assert reference_labels(policy, [*clean, ["loc-NORD"]]) == [["REGEN", "S+H"], ["TAG"], ["NORD"]]


@pytest.mark.real_data
@pytest.mark.parametrize("subset", ["split", "si5"])
@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("policy", ["phoenix2014", "filtered973"])
def test_references_of_phoenix_2014_stay_the_official_ones(shared_data, policy, split, subset):
    folder = shared_data / "phoenix2014"
    lines = (folder / "index.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row[subset] == split]
    kind = "SI-" if subset == "si5" else ""
    stm = (folder / "stm" / f"phoenix2014-{kind}groundtruth-{split}.stm").read_text().splitlines()
    official = {fields[0]: fields[5:] for fields in map(str.split, stm)}
    found = reference_labels(policy, [row["raw"].split() for row in rows])
    assert {row["id"]: words for row, words in zip(rows, found, strict=True)} == official


@given(WORDS)
def test_words_spelled_in_characters_are_read_back(words):
    tokens = train_labels("characters", words)
    spans = word_spans("characters", tokens)
    assert [span.word for span in spans] == words
    assert all("".join(tokens[span.start : span.end]) == span.word for span in spans)


@given(st.lists(st.sampled_from("ab|")))
def test_separators_that_separate_nothing_are_no_words(tokens):
    words = [span.word for span in word_spans("characters", tokens)]
    assert words == [word for word in "".join(tokens).split("|") if word]


def test_case_and_every_character_but_the_separator_is_kept():
    assert train_labels("characters", ["Ü-1", "手 話"]) == [*"Ü-1", "|", *"手 話"]
    with pytest.raises(ValueError, match=r"'A\|B' holds '\|'"):
        train_labels("characters", ["TAG", "A|B"])


@given(WORDS, WORDS)
def test_joined_sentences_are_read_as_the_words_of_both(first, second):
    for policy in LABEL_POLICIES:
        tokens = spelled(policy, first) + separator(policy) + spelled(policy, second)
        assert [span.word for span in word_spans(policy, tokens)] == first + second


def test_a_word_that_is_a_token_spans_it_alone():
    assert word_spans("phoenix2014", ["A", "B"]) == [Span("A", 0, 1), Span("B", 1, 2)]


def test_an_unknown_policy_lists_the_known_ones():
    for use in (train_labels, reference_labels):
        with pytest.raises(ValueError, match="'cleaned'; known: raw, phoenix2014, "):
            use("cleaned", [])
