"""A vocabulary gives every train token one output, the same ones whenever it is made or loaded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.labels.vocabulary import BLANK, Vocabulary, build_vocabulary

LABELS = st.lists(st.lists(st.text(min_size=1, max_size=4)), min_size=1).filter(any)


@given(LABELS)
def test_ids_are_distinct_never_the_blank_and_decode_to_their_tokens(train):
    vocabulary = build_vocabulary(train, "raw")
    assert BLANK not in vocabulary.encode(vocabulary.tokens)
    assert len(set(vocabulary.encode(vocabulary.tokens))) == len(vocabulary.tokens)
    for labels in train:
        assert vocabulary.decode(vocabulary.encode(labels)) == labels
    assert max(vocabulary.encode(vocabulary.tokens)) == vocabulary.num_outputs - 1


@given(LABELS, st.randoms())
def test_the_order_of_sequences_does_not_matter(train, random):
    shuffled = random.sample(train, len(train))
    assert build_vocabulary(shuffled, "raw") == build_vocabulary(train, "raw")


def test_tokens_are_sorted_and_count_once():
    vocabulary = build_vocabulary([["SEE", "IX"], ["IX", "BOOK"]], "raw")
    assert vocabulary.tokens == ("BOOK", "IX", "SEE")
    assert vocabulary.num_outputs == 4
    assert vocabulary.encode(["IX", "BOOK"]) == [2, 1]


def test_a_label_outside_of_it_is_known_to_be_outside():
    vocabulary = build_vocabulary([["A"]], "raw")
    assert "A" in vocabulary
    assert "B" not in vocabulary
    with pytest.raises(KeyError):
        vocabulary.encode(["B"])


def test_no_labels_are_refused():
    with pytest.raises(ValueError, match="no labels under the label policy filtered973"):
        build_vocabulary([[], []], "filtered973")


def test_what_separates_words_is_in_a_vocabulary_of_characters():
    assert build_vocabulary([["B", "A"]], "characters").tokens == ("A", "B", "|")
    with pytest.raises(ValueError, match="no labels"):
        build_vocabulary([[]], "characters")


def test_saved_and_loaded_it_is_the_same(tmp_path):
    vocabulary = build_vocabulary([["ÜBER", "__ON__", "手話", 'A"B']], "raw")
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == vocabulary


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"\x80\x04\x95",
        json.dumps({"blank": 0, "label_policy": "raw"}).encode(),
        json.dumps({"blank": 1, "label_policy": "raw", "tokens": ["A"]}).encode(),
        json.dumps({"label_policy": "raw", "tokens": ["A"]}).encode(),
        json.dumps({"blank": 0, "label_policy": "raw", "tokens": "AB"}).encode(),
        json.dumps({"blank": 0, "label_policy": "raw", "tokens": ["A", 1]}).encode(),
        json.dumps({"blank": 0, "label_policy": "raw", "tokens": ["A", "A"]}).encode(),
        json.dumps({"blank": 0, "label_policy": "cleaned", "tokens": ["A"]}).encode(),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused_by_name(tmp_path, content):
    path = tmp_path / "vocabulary.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"vocabulary\.json"):
        Vocabulary.load(path)


def test_a_missing_vocabulary_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="none_here"):
        Vocabulary.load(tmp_path / "none_here.json")
