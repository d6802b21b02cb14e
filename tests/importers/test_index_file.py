"""Rows are read as a jsonl or csv file has them, and a file that is none is refused."""

import codecs
import csv
import json

import numpy as np
import pytest
from manifest_helpers import array, prepare, refused, row
from prepare_helpers import index_of


def test_a_csv_index_gives_the_same_corpus_as_jsonl(folder):
    rows = [row(0, fps="25"), row(1, split="dev", fps="25", features="s1.npy;s2.npy")]
    rows[0]["segments"] = json.dumps([[0, 3, "HELLO"]])
    rows[0]["text"] = "with, comma"
    path = folder / "index.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    corpus = prepare(path)
    assert corpus.record(0)["segments"] == [{"start": 0, "end": 3, "label": "HELLO"}]
    assert corpus.record(0)["text"] == "with, comma"
    assert corpus.record(1)["text"] is None
    assert corpus.info.frames_per_second == 25
    np.testing.assert_array_equal(
        corpus.features(1), np.concatenate([array(seed=1), array(seed=2)])
    )


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "JSONL"])
def test_files_from_windows_are_read(folder, suffix):
    text = index_of(folder, row(0)).read_text()
    if suffix == "csv":
        text = "id,split,features,labels\ns0,train,s0.npy,HELLO WORLD\n"
    path = folder / f"index_windows.{suffix}"
    path.write_bytes(codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode())
    assert prepare(path).labels(0) == ["HELLO", "WORLD"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl", b"\n\n", "no rows"),
        ("a.csv", b"", "id"),
        ("a.csv", b"id,split,features,labels\n", "no rows"),
        ("a.csv", b"id/split/features/labels\ns0/train/s0.npy/A\n", "commas, semicolons or tabs"),
        ("a.csv", b"id,split,array\ns0,train,s0.npy\n", "without features"),
        ("a.csv", b"id,split,features,labels\ns0,train,s0.npy,A, B\n", "a.csv:2: more cells"),
        ("a.csv", b"id,split,features,labels\ns0,train\n", "a.csv:2: `features`"),
        ("a.csv", b"id,split,features,labels\ns0,train,s0.npy,\n", "a.csv:2: s0: has no `labels`"),
        ("a.jsonl", '{"id": "ü"}'.encode("latin-1"), "UTF-8"),
        ("a.jsonl", "{}".encode("utf-16"), "a.jsonl:1: `id` is missing"),
        ("a.json", b"{}", ".jsonl or a .csv"),
    ],
)
def test_a_file_that_is_no_index_is_refused(folder, name, content, words):
    (folder / name).write_bytes(content)
    message = refused(folder / name)
    assert name in message
    assert words in message


def test_an_index_that_is_not_there_or_a_folder_is_refused(folder):
    assert "no such index" in refused(folder / "none.jsonl")
    assert "is a folder" in refused(folder)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("id,split,features,label", "unknown column 'label'; did you mean labels?"),
        ("id,split,features,labels,labels", "names labels twice"),
    ],
)
def test_a_header_that_would_lose_a_column_is_refused(folder, header, words):
    (folder / "a.csv").write_text(f"{header}\ns0,test,s0.npy,A,B\n")
    assert words in refused(folder / "a.csv")


HEADER = "id,split,features,labels,text\n"


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ('s0,train,s0.npy,"HELLO,\ns1,train,s1.npy,WORLD,\n', 2, "begins with a double quote"),
        ('s0,train,s0.npy,A,\n\ns1,train,s1.npy,A,"so\ns2,train,s2.npy,A,"', 4, "quote not closed"),
        ('s0,train,s0.npy,"A\ns1,train,s1.npy,B",\n', 2, "quote not closed"),
        ('s0,train,s0.npy,"A" B,\n', 2, "begins with a double quote"),
    ],
    ids=["to the end", "to another quote", "to another row", "behind a quote"],
)
def test_a_stray_quote_in_a_csv_file_swallows_no_rows(folder, rows, line, words):
    (folder / "a.csv").write_text(HEADER + rows)
    message = refused(folder / "a.csv")
    assert f"a.csv:{line}: " in message
    assert words in message


def test_quotes_that_are_meant_are_read(folder):
    (folder / "a.csv").write_text(
        HEADER + 's0,train,s0.npy,"A B", "he said ""no"", 5\' 3"" tall"\n'
    )
    corpus = prepare(folder / "a.csv")
    assert corpus.labels(0) == ["A", "B"]
    assert corpus.record(0)["text"] == 'he said "no", 5\' 3" tall'


def test_spaces_around_the_cells_of_a_csv_file_are_none_of_theirs(folder):
    (folder / "a.csv").write_text(
        "id ,split, signer,features ,labels,text\n s0 ,train , anna  ,s0.npy ,A, hello \t\n"
    )
    record = prepare(folder / "a.csv").record(0)
    assert [record[key] for key in ("id", "split", "signer", "text")] == [
        *("s0", "train", "anna", "hello")
    ]


def test_spaces_behind_the_quotes_of_a_cell_are_none_of_its(folder):
    (folder / "a.csv").write_text(
        HEADER + '"s0" , "train" ,s0.npy\t,"A B" , "he said ""no"", twice" \n'
    )
    corpus = prepare(folder / "a.csv")
    assert corpus.labels(0) == ["A", "B"]
    assert corpus.record(0)["text"] == 'he said "no", twice'


@pytest.mark.parametrize(
    ("key", "meant"), [("label", "labels"), ("segment", "segments"), ("Signer", "signer")]
)
def test_a_misspelt_key_is_told_once_with_its_first_line(folder, key, meant):
    rows = [row(i, split="test", labels=None, signer=None) for i in range(3)]
    message = refused(index_of(folder, rows[0], *({**r, key: "A"} for r in rows[1:])))
    assert message.startswith("1 problem,")
    assert f"index.jsonl:2: unknown key {key!r}; did you mean {meant}?" in message


def test_a_key_of_somebody_elses_is_passed_over(folder):
    own = {"camera": "left", "fs": 16000, "sign": "HELLO", "signed": True, "tex": "\\hello"}
    fields = {**row(0, signer=None), **own, "label": "beside `labels`", "si5": None}
    corpus = prepare(index_of(folder, fields, row(1)))
    assert corpus.labels(0) == ["HELLO", "WORLD"]
    (note,) = corpus.info.source["notes"]
    assert note.startswith(f"index.jsonl: not read: {', '.join([*own, 'label', 'si5'])};")


def test_a_column_that_is_not_read_is_a_note(folder):
    (folder / "a.csv").write_text(
        "id,split,features,labels,gloss,,camera\ns0,train,s0.npy,A,B,,\ns1,dev,s1.npy,A,B,,left\n"
    )
    (note,) = prepare(folder / "a.csv").info.source["notes"]
    assert note.startswith("a.csv: not read: gloss, camera; ")
    assert "labels" in note.partition(";")[2]


def test_of_many_keys_that_are_not_read_some_are_named(folder):
    (note,) = prepare(index_of(folder, row(0) | {f"own_{i}": i for i in range(99)})).info.source[
        "notes"
    ]
    assert "own_8, ...;" in note and "own_50" not in note


@pytest.mark.parametrize("indent", [None, 1])
def test_one_json_array_is_told_once(folder, indent):
    (folder / "a.jsonl").write_text("\n" + json.dumps([row(0), row(1)], indent=indent))
    message = refused(folder / "a.jsonl")
    assert "a.jsonl: is one JSON array; needed is one object a line" in message
    assert len(message.splitlines()) == 1


def test_objects_over_several_lines_are_told_once(folder):
    (folder / "a.jsonl").write_text("\n".join(json.dumps(row(i), indent=1) for i in range(9)))
    message = refused(folder / "a.jsonl")
    assert "a.jsonl:1: " in message and "one object a line" in message
    assert len(message.splitlines()) == 1
