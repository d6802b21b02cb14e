"""Errors are counted where they fall: by length, signer, frequency in train and place."""

from __future__ import annotations

from scored_helpers import SEQUENCES

from slr_accel.diagnosis.error_figures import error_figures

TRAIN = {"REGEN": 30, "SONNE": 4, "WIND": 2, "HEUTE": 1, "NORD": 1, "MORGEN": 150}


def test_every_word_and_sentence_is_counted_once_in_each_table() -> None:
    figures = error_figures(SEQUENCES, TRAIN)
    words = sum(len(sequence.reference) for sequence in SEQUENCES)
    for table in ("by_frequency", "by_place"):
        rows = figures[table]
        assert sum(row["words"] for row in rows) == words
        assert all(r["correct"] + r["substituted"] + r["deleted"] == r["words"] for r in rows)
    for table in ("by_length", "by_signer"):
        assert sum(row["num_sequences"] for row in figures[table]) == len(SEQUENCES)


def test_words_stand_where_they_belong() -> None:
    figures = error_figures(SEQUENCES, TRAIN)
    by_frequency = {row["name"]: row for row in figures["by_frequency"]}
    assert by_frequency["0"]["words"] == 1  # KALT
    assert by_frequency["1 to 2"]["correct"] == 2  # HEUTE and NORD, not WIND
    assert by_frequency["101 and more"]["words"] == 1  # MORGEN
    by_place = {row["name"]: row for row in figures["by_place"]}
    assert by_place["first"]["words"] == 4 and by_place["first"]["deleted"] == 1
    assert figures["seen"]["unseen_types"] == ["KALT"]
