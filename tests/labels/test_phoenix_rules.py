"""PHOENIX' rules reproduce the published labels, and each rule does what the scripts do."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.labels.phoenix_rules import clean_2014, clean_2014t, filter_973

UNSPELLED = [
    *("REGEN", "IX", "WIE", "AUSSEHEN", "ZEIGEN", "TRAUM", "WIE-IMMER", "poss-SEIN"),
    *("loc-NORD", "cl-KOMMEN", "NORDRAUM", "REGEN-PLUSPLUS"),
    *("__EMOTION__", "__PU__", "__LEFTHAND__", "__EPENTHESIS__", "__ON__"),
]
SPELLED = ["E", "R", "Z", "SCH", "NN", "C+M"]
WORDS = st.lists(st.sampled_from(UNSPELLED + SPELLED), max_size=12)


def index(shared_data) -> list[dict]:
    lines = (shared_data / "phoenix2014" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.real_data
def test_all_clean_train_labels_of_phoenix_2014_are_reproduced(shared_data):
    train = [row for row in index(shared_data) if row["split"] == "train"]
    assert len(train) == 5671
    cleaned = {row["id"]: " ".join(clean_2014(row["raw"].split())) for row in train}
    assert cleaned == {row["id"]: row["clean"] for row in train}
    si5 = [row["id"] for row in train if row["si5"] == "train"]
    assert len(si5) == 4375
    assert len({word for name in si5 for word in cleaned[name].split()}) == 1009


@pytest.mark.real_data
def test_the_filter_gives_the_published_list_of_972(shared_data):
    published = json.loads((shared_data / "phoenix2014/vocab973_si5_filtered.json").read_text())
    train = [row for row in index(shared_data) if row["si5"] == "train"]
    kept = {word for row in train for word in filter_973(row["raw"].split())}
    assert len(kept) == 972
    assert kept == set(published) - {"<blank>"}


@pytest.mark.real_data
def test_labels_of_phoenix_2014t_are_clean_but_for_repeats(shared_data):
    lines = (shared_data / "phoenix14t_streams" / "index.jsonl").read_text().splitlines()
    merged = 0
    for line in lines:
        words = json.loads(line)["labels"].split()
        cleaned = clean_2014t(words)
        assert all(clean_2014t([word]) == [word] for word in words)
        merged += len(words) - len(cleaned)
    assert merged == 66


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("loc-WEST cl-KOMMEN qu-DU poss-MEIN lh-IX", "WEST KOMMEN DU MEIN IX"),
        ("rh-IX neg-HABEN", "rh-IX neg-HABEN"),
        ("S0NNE HABEN2", "SONNE HABEN"),
        ("__EMOTION__ TAG __PU__ __LEFTHAND__", "TAG"),
        ("__ON__ TAG __OFF__", "__ON__ TAG __OFF__"),
        ("TAG __EPENTHESIS__", "TAG"),
        ("JETZT WIE AUSSEHEN", "JETZT WIE-AUSSEHEN"),
        ("ZEIGEN NORD ZEIGEN", "ZEIGEN-BILDSCHIRM NORD ZEIGEN-BILDSCHIRM"),
        ("ZEIGEN-PLUSPLUS", "ZEIGEN"),
        ("E R Z BERG", "E+R+Z BERG"),
        ("IN C M", "IN C+M"),
        ("W SCH E W E B Y TAG", "W SCH+E+W+E+B+Y TAG"),
        ("G U NN E R TAG", "G+U+NN+E+R TAG"),
        ("loc-SUEDRAUM TRAUM RAUM", "SUED TRAUM RAUM"),
        ("loc-ORT-PLUSPLUS", "ORT"),
        ("REGEN REGEN REGEN REGEN REGEN", "REGEN"),
        ("loc-NORD NORDRAUM NORD", "NORD"),
        ("WIE-IMMER WIE-IMMER", "WIE-IMMER WIE-IMMER"),
        ("LOCH __LEFTHAND__ LOCH", "LOCH LOCH"),
        ("__PU__ __EMOTION__", ""),
    ],
)
def test_rules_of_2014(raw, clean):
    assert " ".join(clean_2014(raw.split())) == clean


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("loc-WEST cl-KOMMEN", "WEST KOMMEN"),
        ("poss-MEIN qu-DU lh-IX HABEN2 A-loc-B", "poss-MEIN qu-DU lh-IX HABEN2 A-loc-B"),
        ("__ON__ TAG __X__ __OFF__", "TAG"),
        ("NORDRAUM RAUM RAUMFAHRT", "NORD RAUM RAUMFAHRT"),
        ("REGEN-PLUSPLUS A-PLUSPLUS-B", "REGEN A-PLUSPLUS-B"),
        ("REGEN REGEN neg-HABEN neg-HABEN", "REGEN neg-HABEN"),
        ("LOCH __LEFTHAND__ LOCH", "LOCH"),
        ("WIE AUSSEHEN E R Z TAG", "WIE-AUSSEHEN E+R+Z TAG"),
        ("ZEIGEN S0NNE", "ZEIGEN S0NNE"),
        ("loc- TAG", "TAG"),
    ],
)
def test_rules_of_2014t(raw, clean):
    assert " ".join(clean_2014t(raw.split())) == clean


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("__ON__ TAG loc-NORD cl-KOMMEN lh-A rh-A IX WG $GEST1 A-PLUSPLUS POSITIV E", "TAG"),
        ("NORDRAUM poss-SEIN qu-DU HABEN2 S0NNE NN", "NORDRAUM poss-SEIN qu-DU HABEN2 S0NNE NN"),
        ("REGEN IX REGEN", "REGEN REGEN"),
    ],
)
def test_the_filter_deletes_words_and_changes_none(raw, kept):
    assert " ".join(filter_973(raw.split())) == kept


@given(WORDS)
def test_what_is_dropped_for_good_is_gone(words):
    for cleaned in (clean_2014(words), clean_2014t(words)):
        assert not {"__EMOTION__", "__LEFTHAND__", "__EPENTHESIS__"} & set(cleaned)
        assert not any(word.startswith("loc-") or not word for word in cleaned)


@given(st.lists(st.sampled_from(UNSPELLED), max_size=12))
def test_cleaning_by_the_rules_of_2014t_and_filtering_twice_changes_nothing_more(words):
    assert clean_2014t(clean_2014t(words)) == clean_2014t(words)
    assert filter_973(filter_973(words)) == filter_973(words)


@given(WORDS)
def test_cleaning_by_the_rules_of_2014_twice_changes_no_word_by_itself(words):
    """A sentence may change once more: `LOCH __LEFTHAND__ LOCH` -> `LOCH LOCH` -> `LOCH`."""
    assert all(clean_2014([word]) == [word] for word in clean_2014(words))


@given(WORDS)
def test_no_rule_adds_words(words):
    for rule in (clean_2014, clean_2014t, filter_973):
        assert len(rule(words)) <= len(words)
