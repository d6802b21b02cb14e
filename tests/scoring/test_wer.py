"""The aligner counts as sclite does, and never better than the edit distance allows."""

import time
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.scoring.wer import DELETION, INSERTION, SUBSTITUTION, Counts, align, score

PHOENIX = Path(__file__).parents[3] / "shared" / "data" / "phoenix2014"

# Reference, hypothesis (a letter is a word), then sclite's own counts C S D I: Debian's
# sctk 2.4.10, `sclite -i rm -o pra`. All but the last four could be had with fewer errors.
SCLITE = [
    ("adbdca", "bcada", 3, 0, 3, 2),
    ("acdcaab", "abbcbdc", 4, 0, 3, 3),
    ("bcbcdbdd", "cdddacc", 4, 0, 4, 3),
    ("caccbbb", "baaaacc", 3, 1, 3, 3),
    ("abaadbbc", "bdbccdbc", 5, 0, 3, 3),
    ("cbdaddab", "aacbcc", 3, 0, 5, 3),
    ("abbaabd", "ccdabbdd", 4, 1, 2, 3),
    ("bbbac", "acca", 2, 0, 3, 2),
    ("ccccbbb", "cdddadcc", 3, 1, 3, 4),
    ("aaccbb", "dbbdad", 2, 1, 3, 3),
    ("baaabb", "aaaaaaab", 4, 2, 0, 2),
    ("aaabc", "ccbdbcbd", 2, 3, 0, 3),
    ("abaaabab", "aabbbab", 5, 2, 1, 0),
    ("baa", "dcb", 0, 3, 0, 0),
]

# The same program's alignments: reference above hypothesis, * for the missing side.
SCLITE_ALIGNMENTS = [
    ("*a", "aa"),
    ("aa", "*a"),
    ("abb", "*ba"),
    ("ab*", "*ba"),
    ("ba*b*", "*abba"),
    ("*aaabc**", "ccbdbcbd"),
    ("adbdc**a", "**b*cada"),
    ("***abbaabd", "ccdabb**dd"),
    ("a**c*dcaab", "abbcbdc***"),
]

# PHOENIX-2014 hypotheses as recognised, uncleaned, against the official references: sclite 2.4.10's
# C S D I on these very tokens (not the golden counts, which are after the PHOENIX cleaning).
UNCLEANED = [
    ("si5-dev-seed2.ctm", "phoenix2014-SI-groundtruth-dev.stm", Counts(861, 200, 106, 55)),
    ("si5-test-seed2.ctm", "phoenix2014-SI-groundtruth-test.stm", Counts(1456, 301, 144, 92)),
    ("ms-dev-seed2.ctm", "phoenix2014-groundtruth-dev.stm", Counts(4104, 916, 520, 267)),
    ("ms-test-seed2.ctm", "phoenix2014-groundtruth-test.stm", Counts(4910, 1101, 493, 341)),
]

sentences = st.lists(st.sampled_from("abcd"), max_size=12)


def cost(counts: Counts) -> int:
    return (
        SUBSTITUTION * counts.substitutions
        + INSERTION * counts.insertions
        + DELETION * counts.deletions
    )


def levenshtein(reference: list[str], hypothesis: list[str]) -> Counts:
    """jiwer's unit-cost alignment."""
    if not reference:
        return Counts(insertions=len(hypothesis))
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return Counts(output.hits, output.substitutions, output.deletions, output.insertions)


@pytest.mark.parametrize(("reference", "hypothesis", "c", "s", "d", "i"), SCLITE)
def test_counts_equal_sclite_where_alignments_compete(reference, hypothesis, c, s, d, i):
    assert align(list(reference), list(hypothesis)).counts == Counts(c, s, d, i)


@pytest.mark.parametrize(("reference", "hypothesis"), SCLITE_ALIGNMENTS)
def test_alignment_equals_sclite_column_by_column(reference, hypothesis):
    pairs = align(list(reference.replace("*", "")), list(hypothesis.replace("*", ""))).pairs
    assert "".join(p.reference or "*" for p in pairs) == reference
    assert "".join(p.hypothesis or "*" for p in pairs) == hypothesis


@pytest.mark.real_data
@pytest.mark.parametrize(("ctm", "stm", "expected"), UNCLEANED)
def test_counts_equal_sclite_on_phoenix_hypotheses(ctm, stm, expected):
    if not PHOENIX.is_dir():
        pytest.skip(f"PHOENIX-2014 references and hypotheses are not at {PHOENIX}")
    rows = [line.split() for line in (PHOENIX / "golden" / ctm).read_text().splitlines()]
    words: dict[str, list[str]] = {}
    for sequence, _, _, _, word in sorted(rows, key=lambda row: (row[0], float(row[2]))):
        words.setdefault(sequence, []).append(word)
    lines = [line.split() for line in (PHOENIX / "stm" / stm).read_text().splitlines()]
    references = [line[5:] for line in lines]
    hypotheses = [words.get(line[0], ["[EMPTY]"]) for line in lines]
    assert sum(score(references, hypotheses), Counts()) == expected


@given(sentences, sentences)
def test_errors_are_never_fewer_than_the_edit_distance(reference, hypothesis):
    assert align(reference, hypothesis).counts.errors >= levenshtein(reference, hypothesis).errors


@given(sentences, sentences)
def test_no_alignment_that_jiwer_finds_is_cheaper(reference, hypothesis):
    assert cost(align(reference, hypothesis).counts) <= cost(levenshtein(reference, hypothesis))


@settings(max_examples=300)
@given(sentences, sentences)
def test_wer_equals_jiwer_where_it_substitutes_less_than_three_times(reference, hypothesis):
    # Trading s substitutions for 2j insertions and deletions pays only if 6j <= 4s, and adds errors
    # only if 2j > s: never for s < 3.
    expected = levenshtein(reference, hypothesis)
    if expected.substitutions < 3:
        assert align(reference, hypothesis).counts.wer == pytest.approx(expected.wer)


@given(sentences, sentences)
def test_alignment_spells_both_sides_and_names_each_pair_rightly(reference, hypothesis):
    pairs = align(reference, hypothesis).pairs
    assert [p.reference for p in pairs if p.reference is not None] == reference
    assert [p.hypothesis for p in pairs if p.hypothesis is not None] == hypothesis
    for pair in pairs:
        if pair.reference is None:
            assert pair.op == "insertion"
        elif pair.hypothesis is None:
            assert pair.op == "deletion"
        else:
            assert pair.op == ("correct" if pair.reference == pair.hypothesis else "substitution")


@given(sentences)
def test_a_sentence_against_itself_is_all_correct(tokens):
    assert align(tokens, tokens).counts == Counts(correct=len(tokens))


@given(sentences, sentences)
def test_swapping_the_sides_keeps_the_cost(reference, hypothesis):
    there, back = align(reference, hypothesis).counts, align(hypothesis, reference).counts
    assert cost(there) == cost(back)


def test_empty_sides_are_all_deletions_or_all_insertions():
    assert align(["A", "B"], []).counts == Counts(deletions=2)
    assert align([], ["A", "B"]).counts == Counts(insertions=2)


def test_wer_of_an_empty_reference_follows_jiwer():
    assert align([], []).counts.wer == 0
    assert align([], ["A", "B"]).counts.wer == jiwer.wer("", "A B") == 2


def test_counts_add_up_to_the_corpus_rate():
    total = sum(score([["A", "B"], ["C"]], [["A"], ["D", "E"]]), Counts())
    assert total == Counts(correct=1, substitutions=1, deletions=1, insertions=1)
    assert (total.errors, total.reference_tokens, total.wer) == (3, 3, 1.0)


def test_a_missing_hypothesis_is_an_error_with_both_numbers():
    with pytest.raises(ValueError, match="2 references but 1 hypotheses"):
        score([["A"], ["B"]], [["A"]])


@given(st.lists(st.tuples(sentences, sentences), max_size=6))
def test_many_sentences_at_once_are_counted_as_each_alone(pairs):
    references, hypotheses = [r for r, _ in pairs], [h for _, h in pairs]
    expected = [align(r, h).counts for r, h in pairs]
    assert score(references, hypotheses) == expected


def test_sentences_are_counted_in_small_batches_as_in_a_large_one(monkeypatch):
    rng = np.random.default_rng(0)
    texts = [list(rng.choice(list("abc"), size=rng.integers(0, 9))) for _ in range(40)]
    whole = score(texts[:20], texts[20:])
    monkeypatch.setattr("slr_accel.scoring.wer.ROW_CELLS", 60)
    assert score(texts[:20], texts[20:]) == whole


def test_long_character_sentences_are_scored_in_seconds():
    rng = np.random.default_rng(0)
    texts = [[str(c) for c in rng.choice(list("abcdefghij"), size=60)] for _ in range(1000)]
    began = time.process_time()
    score(texts[:500], texts[500:])
    assert time.process_time() - began < 3
