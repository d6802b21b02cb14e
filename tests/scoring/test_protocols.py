"""Protocols give the counts that the field's scripts and sclite give."""

from __future__ import annotations

import json
import random
import shutil
from itertools import groupby
from pathlib import Path

import pytest
from sclite_helpers import cleaned_by_scripts, pipeline_counts

from slr_accel.labels.phoenix_rules import clean_2014, clean_2014_lines
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.scoring.comparison import Comparison, compare, vocabulary_floors
from slr_accel.scoring.formats import Transcripts, read_transcripts
from slr_accel.scoring.protocols import PROTOCOLS, prepared_hypotheses, prepared_references
from slr_accel.scoring.sclite import sclite_command
from slr_accel.scoring.wer import Counts

needs_sclite = pytest.mark.skipif(
    sclite_command() is None or not shutil.which("perl"),
    reason="NIST's sclite is not installed: apt-get install sctk",
)
CORPORA = 2000
CLEAN_WORDS = [
    *("REGEN", "REGEN", "SONNE", "NORD", "IX", "__ON__", "__OFF__", "[EMPTY]", "WIE-AUSSEHEN"),
    *("a;b", "X", "B\\\\;c"),
    *("ZEIGEN-BILDSCHIRM", "C+M", "A", "KÜSTE", "TRAUM", "HABEN", "rh-IX", "NEG-HABEN", "天气"),
]
STRANGE_WORDS = [
    *("loc-", "loc-NORD", "loc-loc-NORD", "loloc-c-NORD", "cl-KOMMEN", "lh-IX", "qu-DU"),
    *("poss-", "__LEFTHAND__", "__EMOTION__", "__PU__", "__EPENTHESIS__", "LOCH__LEFTHAND__"),
    *("__LEFT__PU__HAND__", "x__EPENTHESIS__y", "[empty]", "küste", "KÜste", "S0NNE", "HABEN2"),
    *("WIE", "AUSSEHEN", "ZEIGEN", "ZEIGEN-PLUSPLUS", "ZEIGENX", "NORDRAUM", "ÜRAUM", "RAUM"),
    *("-PLUSPLUS", "REGEN-PLUSPLUS", "regen", "B", "SCH", "NN", "$GEST1", "neg-HABEN", "ß", ""),
    *("a;b", "A;", "A", ";", "\\\\a", "B\\\\;c", "B;c", "x*", "x**", "X", "{", "<unk>"),
    *("!", "A/B", "A-", "(A)", "*", "%", "&amp;", '"', "~", "ẞ", "É", "é", "A\u0301"),
]


def total(comparison: Comparison) -> Counts:
    return sum((sequence.counts for sequence in comparison.sequences), Counts())


@pytest.mark.real_data
def test_counts_of_phoenix_2014_are_those_of_sclite(shared_data):
    folder = shared_data / "phoenix2014"
    vectors = json.loads((folder / "golden" / "expected.json").read_text())
    assert len(vectors) == 8
    for vector in vectors:
        references = read_transcripts(folder / "stm" / vector["stm"], "reference")
        hypotheses = read_transcripts(folder / "golden" / vector["ctm"], "hypothesis")
        counts = total(compare(references, hypotheses, "phoenix2014"))
        expected = [vector[key] for key in ("C", "S", "D", "I")]
        assert counts == Counts(*expected), vector["ctm"]
        assert f"{100 * counts.wer:.1f}" == vector["sclite_percent"]


@pytest.mark.real_data
def test_a_perfect_recogniser_of_raw_labels_makes_the_errors_that_cleaning_line_by_line_leaves(
    shared_data,
):
    """Of raw labels whose equal neighbours are one, as CTC systems say them. Repeats that stripping
    makes (`loc-NORD NORD`) stay in a CTM, and letters are not joined."""
    lines = (shared_data / "phoenix2014" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    train = [row for row in map(json.loads, lines) if row["split"] == "train"]
    clean = {row["id"]: row["clean"].split() for row in train}
    raw = {row["id"]: [word for word, _ in groupby(row["raw"].split())] for row in train}
    counts = total(
        compare(Transcripts(Path("r"), clean), Transcripts(Path("h"), raw), "phoenix2014")
    )
    assert f"{100 * counts.wer:.3f}" == "0.622"


@pytest.mark.real_data
@pytest.mark.parametrize(("split", "floor"), [("dev", 12.94), ("test", 12.52)])
def test_the_list_of_972_glosses_has_the_known_floor(shared_data, split, floor):
    folder = shared_data / "phoenix2014"
    tokens = json.loads((folder / "vocab973_si5_filtered.json").read_text())
    vocabulary = Vocabulary(tuple(sorted(set(tokens) - {"<blank>"})), "filtered973")
    stm = folder / "stm" / f"phoenix2014-SI-groundtruth-{split}.stm"
    references = list(read_transcripts(stm, "reference").sentences.values())
    floors = vocabulary_floors(vocabulary, references, "phoenix2014")
    assert round(100 * floors["policy_floor"], 2) == floor
    # Cleaning helps a little: HABEN2 of the list counts as HABEN.
    assert floors["policy_floor"] - 0.001 < floors["protocol_floor"] <= floors["policy_floor"]


def random_words(draw: random.Random, words: list[str]) -> list[str]:
    picked: list[str] = []
    for _ in range(draw.choice([0, 1, 2, 3, 5, 9])):
        repeats = picked and draw.random() < 0.15
        picked.append(picked[-1] if repeats else draw.choice(words))
    return picked


def random_corpus(draw: random.Random, number: int) -> tuple[dict, dict]:
    """References and hypotheses of one to six sentences; some ids have no hypothesis."""
    references, hypotheses = {}, {}
    for place in range(draw.randint(1, 6)):
        name = f"c{number:04d}-{place}"
        references[name] = random_words(draw, CLEAN_WORDS)
        if draw.random() < 0.1:
            continue
        hypothesis = random_words(draw, CLEAN_WORDS + STRANGE_WORDS)
        if draw.random() < 0.6:  # mostly right
            hypothesis = [w for w in references[name] if draw.random() < 0.8] + hypothesis[:2]
        hypotheses[name] = hypothesis
    return references, hypotheses


def ctm_lines(draw: random.Random, hypotheses: dict[str, list[str]]) -> list[str]:
    """Lines in any order, with times up to beyond ten seconds."""
    lines = []
    for name, words in hypotheses.items():
        step = draw.choice([0.01, 0.5, 3.0])
        lines += [f"{name} 1 {i * step:.2f} {step:.2f} {word}" for i, word in enumerate(words)]
    draw.shuffle(lines)
    return lines


@needs_sclite
def test_counts_equal_the_scripts_and_sclite_on_random_corpora_of_strange_words(tmp_path):
    draw = random.Random(0)
    corpora = [random_corpus(draw, number) for number in range(CORPORA)]
    lines = [ctm_lines(draw, hypotheses) for _, hypotheses in corpora]
    stm = [
        f"{name} 1 signer 0.0 1.79769e+308 {' '.join(words)}"
        for references, _ in corpora
        for name, words in references.items()
    ]
    expected = pipeline_counts(tmp_path, [line for own in lines for line in own], stm)
    assert len(expected) == len(stm)
    compared = 0
    for (references, _), own in zip(corpora, lines, strict=True):
        if not own or not any(references.values()):
            continue  # no file to score
        (tmp_path / "own.ctm").write_text("".join(line + "\n" for line in own), encoding="utf-8")
        hypotheses = read_transcripts(tmp_path / "own.ctm", "hypothesis")
        comparison = compare(Transcripts(Path("r.stm"), references), hypotheses, "phoenix2014")
        for sequence in comparison.sequences:
            assert sequence.counts == expected[sequence.id], (sequence, references, own)
        compared += 1
    assert compared > 0.85 * CORPORA


@needs_sclite
@pytest.mark.parametrize("word", [w for w in STRANGE_WORDS + CLEAN_WORDS if w])
def test_a_line_is_cleaned_as_the_scripts_clean_it(word):
    fields = cleaned_by_scripts(f"id 1 0.00 0.01 {word}\n").split()
    assert " ".join(clean_2014_lines([word])) == " ".join(fields[4:])


def test_words_are_cleaned_together_as_each_alone():
    words = [word for word in STRANGE_WORDS + CLEAN_WORDS if word]
    words += [a + b for a in words for b in words]
    assert clean_2014_lines(words) == [" ".join(clean_2014([word])) for word in words]


@pytest.mark.parametrize(
    ("protocol", "hypothesis", "prepared"),
    [
        ("phoenix2014", "loc-NORD NORD __PU__ zeigen", "NORD NORD ZEIGEN"),
        ("phoenix2014", "WIE AUSSEHEN E R Z", "WIE AUSSEHEN E R Z"),
        ("phoenix2014", "__EMOTION__ loc-", "[EMPTY]"),
        ("phoenix2014", "", "[EMPTY]"),
        ("phoenix2014", "küste", "KüSTE"),
        ("phoenix2014t", "loc-NORD NORD __ON__ rh-IX", "NORD RH-IX"),
        ("phoenix2014t", "__EMOTION__", ""),
        ("plain", "loc-NORD NORD __PU__ ; {", "loc-NORD NORD __PU__ ; {"),
        ("characters", "T A G | N A C H T |", "TAG NACHT"),
        ("characters", "TAG NACHT", "TAG NACHT"),
    ],
)
def test_hypotheses_are_prepared_by_the_rules_of_the_protocol(protocol, hypothesis, prepared):
    assert prepared_hypotheses(protocol, [hypothesis.split()]) == [prepared.split()]


@pytest.mark.parametrize(
    ("protocol", "reference", "prepared"),
    [
        ("phoenix2014", "REGEN REGEN loc-NORD", "REGEN REGEN LOC-NORD"),
        ("phoenix2014t", "REGEN REGEN loc-NORD", "REGEN NORD"),
        ("phoenix2014", "", ""),
        ("characters", "T A G | A", "TAG A"),
    ],
)
def test_references_of_2014_are_clean_already(protocol, reference, prepared):
    assert prepared_references(protocol, [reference.split()]) == [prepared.split()]


def test_markup_for_alternatives_is_refused_where_the_counts_of_sclite_are_promised():
    for prepared, words in [
        (prepared_hypotheses, ["<ALT_BEGIN>", "@"]),
        (prepared_references, ["@*", "{", "a{", "<O,F0>", "ignore_time_segment_in_scoring"]),
    ]:
        for word in words:
            with pytest.raises(ValueError, match="markup to sclite"):
                prepared("phoenix2014", [["A", word]])
            assert prepared("plain", [["A", word]]) == [["A", word]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_sentence_against_itself_has_no_error(protocol):
    said = Transcripts(Path("x"), {"a": CLEAN_WORDS, "b": ["TAG", "NACHT"]})
    assert total(compare(said, said, protocol)).errors == 0


def test_the_protocol_of_sclite_folds_case_and_plain_says_that_it_would_help():
    reference = Transcripts(Path("r"), {"a": ["HAUS", "Ä", "B"]})
    said = Transcripts(Path("h"), {"a": ["haus", "ä", "B"]})
    assert total(compare(reference, said, "sclite")) == Counts(2, substitutions=1)
    plain = compare(reference, said, "plain")
    assert total(plain) == Counts(1, substitutions=2)
    assert any("2 words (haus, ä) of the hypothesis differ" in note for note in plain.notes)
    other_form = Transcripts(Path("h"), {"a": ["HAUS", "A\u0308", "B"]})
    assert not any("case" in note for note in compare(reference, other_form, "plain").notes)
    with pytest.raises(ValueError, match="markup to sclite"):
        compare(reference, Transcripts(Path("h"), {"a": ["<ALT_BEGIN>"]}), "sclite")
