"""Every format gives the same sentences, and what is malformed says where and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.scoring.formats import Transcripts, read_transcripts

SENTENCES = {"b": ["HEUTE", "KÜSTE"], "a": [], "c": ["REGEN"]}
FORMS = {
    "x.ctm": "b 1 0.4 0.2 KÜSTE\nb 1 0.10 0.2 HEUTE 0.93\na 1 0.0 0.1 \nc A 10.0 0.1 REGEN\n",
    "x.stm": ";; a comment\nb 1 Anna 0.0 1.79769e+308 <o,f0> HEUTE KÜSTE\na 1 Ben 0 2\n"
    "\nc 1 Ben 0.0 2.5  REGEN\n",
    "x.trn": "HEUTE KÜSTE (b)\n(a)\nREGEN (c)\n",
    "x.jsonl": '{"id": "b", "hypothesis": "HEUTE KÜSTE", "signer": "Anna"}\n'
    '{"id": "a", "hypothesis": ""}\n{"id": "c", "hypothesis": ["REGEN"], "signer": "Ben"}\n',
}


def read(folder: Path, name: str, content: str | bytes, side="hypothesis") -> Transcripts:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcripts(path, side)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_format_and_encoding_gives_the_same_sentences(tmp_path, name, encoding, line_end):
    content = FORMS[name].replace("\n", line_end).encode(encoding)
    found = read(tmp_path, name, content)
    assert found.sentences == SENTENCES
    assert list(found.sentences) == list(SENTENCES)


def test_signers_are_read_where_the_format_has_them(tmp_path):
    assert read(tmp_path, "x.stm", FORMS["x.stm"]).signers == {"b": "Anna", "a": "Ben", "c": "Ben"}
    assert read(tmp_path, "x.jsonl", FORMS["x.jsonl"]).signers == {"b": "Anna", "c": "Ben"}
    assert read(tmp_path, "x.trn", FORMS["x.trn"]).signers == {}


def test_lines_of_a_text_are_sentences_and_empty_ones_too(tmp_path):
    found = read(tmp_path, "x.txt", "A B\n\nC\n")
    assert found.sentences == {"1": ["A", "B"], "2": [], "3": ["C"]}


def test_words_of_a_ctm_are_in_order_of_their_start_whatever_the_order_of_lines(tmp_path):
    lines = ["b 1 10.0 1 C", "a 1 0 1 A", "b 1 9.5 1 B", "b 1 9.5 1 BB"]
    found = read(tmp_path, "x.ctm", "\n".join(lines))
    assert found.sentences == {"b": ["B", "BB", "C"], "a": ["A"]}


def test_a_blank_is_one_of_ascii_and_a_line_ends_at_a_newline(tmp_path):
    assert read(tmp_path, "x.txt", "A\u00a0B\tC\u2028D\n").sentences == {
        "1": ["A\u00a0B", "C\u2028D"]
    }


def test_ids_of_jsonl_may_be_numbers(tmp_path):
    assert read(tmp_path, "x.jsonl", '{"id": 1, "hypothesis": "A"}').sentences == {"1": ["A"]}


def test_lines_that_are_odd_but_readable_are_counted_and_named(tmp_path):
    twice = "a 1 0.0 0.1 A\na 1 0.1 0.1 B\n" * 2 + "a 1 0.5 0.1 \n"
    notes = " ".join(read(tmp_path, "x.ctm", twice).notes)
    assert "2 lines with the id, start and word of an earlier line" in notes
    assert "1 line without a word" in notes


@pytest.mark.parametrize(
    ("name", "content", "place", "cure"),
    [
        ("x.ctm", "a 1 0.0 0.1 A\na 1 0.1\n", "line 2: has 3 fields", "id channel start duration"),
        ("x.ctm", "a 1 0.0 0.1 A B 0.9\n", "line 1: has 7 fields", "a word of one piece"),
        ("x.ctm", "a 1 zero 0.1 A\n", "line 1: has 'zero' '0.1' as its third", "in seconds"),
        ("x.ctm", "a 1 0.0 nan A\n", "line 1: has '0.0' 'nan' as its", "in seconds"),
        ("x.ctm", "a 1 0 1 A\na 2 1 1 B\n", "line 2: gives a a channel 2", "an id of its own"),
        ("x.stm", "a 1 Anna\n", "line 1: has 3 fields", "id channel speaker start end"),
        ("x.stm", "a 1 Anna Maria 0.0 2.0 A\n", "line 1: has 'Maria' '0.0'", "an underscore"),
        ("x.stm", "a 1 x 0 1 A\n\n;;\na 1 x 0 1 A\n", "line 4: gives a again, which line 1", "one"),
        ("x.trn", "A B (a)\nA B\n", "line 2: does not end with an id", "`words (id)`"),
        ("x.trn", "A (a)\nB (a)\n", "line 2: gives a again, which line 1", "one line a sentence"),
        ("x.jsonl", '{"id": "a", "hypothesis": "A"}\n{', "line 2: is not JSON", "object a line"),
        ("x.jsonl", '["a"]\n', "line 1: is not a JSON object", "id"),
        ("x.jsonl", '{"id": "a", "text": "A"}\n', "line 1: has the keys id, text", '"hypothesis"'),
        ("x.jsonl", '{"id": "a", "hypothesis": [1]}\n', "line 1: has no words", "list"),
        ("x.jsonl", '{"id": "a", "hypothesis": ["A B"]}\n', "line 1: has no words", "list"),
        ("x.jsonl", '{"id": "a", "hypothesis": [""]}\n', "line 1: has no words", "list"),
        ("x.txt", b"A\nK\xdcSTE\n", "line 2: is not UTF-8", "iconv -f LATIN1 -t UTF-8 x.txt"),
        ("x.txt", "KÜSTE".encode("utf-16-le"), "zero bytes", "iconv -f UTF-16LE"),
        ("x.ctm", "", "is empty", ".jsonl"),
        ("x.stm", "\n;; nothing\n", "is empty", ".jsonl"),
        ("x.csv", "a,b\n", "ending of the name must say", ".ctm, .stm"),
    ],
)
def test_a_malformed_file_names_the_line_and_the_cure(tmp_path, name, content, place, cure):
    with pytest.raises(ValueError) as error:
        read(tmp_path, name, content)
    text = str(error.value)
    assert text.startswith(str(tmp_path / name)) and place in text and cure in text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no\.ctm: cannot be read"):
        read_transcripts(tmp_path / "no.ctm", "hypothesis")


def test_a_side_takes_its_own_key(tmp_path):
    line = json.dumps({"id": "a", "reference": "R", "hypothesis": "H", "labels": "L"})
    assert read(tmp_path, "x.jsonl", line, "reference").sentences == {"a": ["R"]}
    assert read(tmp_path, "x.jsonl", line, "hypothesis").sentences == {"a": ["H"]}
    index = json.dumps({"id": "a", "labels": "L"})
    assert read(tmp_path, "x.jsonl", index, "reference").sentences == {"a": ["L"]}


def test_a_result_has_its_sentences_beside_it(tmp_path):
    (tmp_path / "dev.json").write_text("{}")
    with pytest.raises(ValueError, match=r"dev\.jsonl with the sentences is not beside it"):
        read_transcripts(tmp_path / "dev.json", "hypothesis")
    (tmp_path / "dev.jsonl").write_text(FORMS["x.jsonl"])
    assert read_transcripts(tmp_path / "dev.json", "hypothesis").sentences == SENTENCES


@given(st.binary(max_size=60), st.sampled_from([".ctm", ".stm", ".trn", ".jsonl", ".txt"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, ending):
    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    path.write_bytes(data)
    try:
        found = read_transcripts(path, "hypothesis")
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert all(word for words in found.sentences.values() for word in words)
