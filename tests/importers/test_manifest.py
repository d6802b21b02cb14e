"""Own data becomes a corpus unchanged."""

import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from manifest_helpers import LAYOUT, array, prepare, row
from prepare_helpers import built, index_of
from safetensors.numpy import save_file

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.manifest import list_manifest


def test_a_jsonl_index_becomes_a_corpus(folder):
    first = row(0, text="Hello, world!", segments=[[0, 3, "HELLO"], [3, 6, "WORLD"]])
    corpus = prepare(index_of(folder, first, row(1, split="dev", labels=["ÜBER", "IX-1P"])))
    np.testing.assert_array_equal(corpus.features(0), array(seed=0))
    np.testing.assert_array_equal(corpus.features(1), array(seed=1))
    assert corpus.presence(0).all()
    assert corpus.record(0) == {
        "id": "s0",
        "split": "train",
        "signer": "anna",
        "labels": ["HELLO", "WORLD"],
        "segments": [
            {"start": 0, "end": 3, "label": "HELLO"},
            {"start": 3, "end": 6, "label": "WORLD"},
        ],
        "text": "Hello, world!",
    }
    assert corpus.record(1)["text"] is None
    assert corpus.labels(1) == ["ÜBER", "IX-1P"]
    assert corpus.info.splits["dev"] == {"sequences": 1, "frames": 6}
    assert corpus.layout.signature == "features 5"
    assert corpus.info.frames_per_second is None


@pytest.mark.parametrize(
    "value", [["s0.npy", "a.npz#two"], "s0.npy;a.npz#two", '["s0.npy", "a.npz#two"]']
)
def test_listed_arrays_are_joined_in_time(folder, value):
    np.savez(folder / "a.npz", one=array(2), two=array(3, seed=9))
    corpus = prepare(index_of(folder, row(0, features=value)))
    np.testing.assert_array_equal(
        corpus.features(0), np.concatenate([array(seed=0), array(3, seed=9)])
    )


@pytest.mark.parametrize("reference", ["a.npy", "a.npz#key", "b.npz#key", "a.safetensors#key"])
def test_every_container_gives_the_same_values(folder, reference):
    np.save(folder / "a.npy", array())
    np.savez(folder / "a.npz", other=array(2), key=array())
    np.savez_compressed(folder / "b.npz", key=array())
    save_file({"key": array(), "other": array(2)}, folder / "a.safetensors")
    corpus = prepare(index_of(folder, row(0, features=reference)))
    np.testing.assert_array_equal(corpus.features(0), array())


@pytest.mark.parametrize("dtype", ["float64", "float16", "int16", "int64", "uint8", "bool", ">f4"])
def test_every_dtype_of_numbers_is_read(folder, dtype):
    values = (np.arange(30).reshape(6, 5) % 7).astype(dtype)
    np.save(folder / "s0.npy", values)
    corpus = prepare(index_of(folder, row(0)))
    assert corpus.info.dtype == "uint8"
    np.testing.assert_array_equal(corpus.features(0), values.astype(np.uint8))


def test_arrays_in_column_order_are_not_turned(folder):
    np.save(folder / "s0.npy", np.asfortranarray(array()))
    np.testing.assert_array_equal(prepare(index_of(folder, row(0))).features(0), array())


def test_one_frame_is_a_sequence(folder):
    np.save(folder / "s0.npy", array(1))
    assert prepare(index_of(folder, row(0, labels="A"))).features(0).shape == (1, 5)


@pytest.mark.parametrize(
    "name", ["with space.npy", "übung.npy", "UPPER.NPY", "take#2.npy", "[1].npy"]
)
def test_unusual_file_names_are_found(folder, name):
    (folder / "s0.npy").rename(folder / name)
    np.testing.assert_array_equal(
        prepare(index_of(folder, row(0, features=name))).features(0), array(seed=0)
    )


def test_paths_start_at_the_index_wherever_it_is(folder, monkeypatch):
    (folder / "lists").mkdir()
    monkeypatch.chdir("/")
    rows = [row(0, features="../s0.npy"), row(1, features=str(folder / "s1.npy"))]
    corpus = prepare(index_of(folder / "lists", *rows))
    np.testing.assert_array_equal(corpus.features(0), array(seed=0))
    np.testing.assert_array_equal(corpus.features(1), array(seed=1))


def test_labels_may_be_separated_by_tabs_and_several_spaces(folder):
    assert prepare(index_of(folder, row(0, labels=" A\tB  C\n"))).labels(0) == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('["GOOD", "DAY"]', ["GOOD", "DAY"]),
        (' ["IX-1P"] ', ["IX-1P"]),
        ("[UNKNOWN]", ["[UNKNOWN]"]),
        ("[UNKNOWN] GOOD,DAY [NOISE]", ["[UNKNOWN]", "GOOD,DAY", "[NOISE]"]),
        ("[red]NEW DAY", ["[red]NEW", "DAY"]),
        ("[1]", ["[1]"]),
    ],
)
def test_labels_may_be_a_list_in_a_cell_or_hold_brackets(folder, text, labels):
    assert prepare(index_of(folder, row(0, labels=text))).labels(0) == labels


def test_an_empty_list_in_a_cell_is_no_label(folder):
    assert prepare(index_of(folder, row(0), row(1, split="dev", labels="[]"))).labels(1) == []


def test_a_split_other_than_train_needs_no_labels(folder):
    corpus = prepare(index_of(folder, row(0), row(1, split="test", labels=None)))
    assert corpus.labels(1) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        *[(nothing, "unknown") for nothing in (None, "", " ", float("nan"))],
        *[(0, "0"), (7, "7"), (" anna ", "anna")],
    ],
)
def test_a_signer_is_kept_as_a_text_and_unknown_where_not_given(folder, given, kept):
    fields = {**row(0), "signer": given}
    assert prepare(index_of(folder, fields)).rows.signer(0) == kept


def test_a_text_that_is_nan_is_none(folder):
    """As `json.dumps` writes the empty cells of a table."""
    assert prepare(index_of(folder, row(0, text=float("nan")))).record(0)["text"] is None


def test_a_frame_rate_may_be_written_in_two_ways(folder):
    index = index_of(folder, row(0, fps=29.97), row(1, fps=30000 / 1001))
    assert prepare(index).info.frames_per_second == 29.97


def test_a_segment_may_count_its_last_frame_in(folder):
    corpus = prepare(index_of(folder, row(0, segments=[[0, 7, "HELLO"]])))
    assert corpus.record(0)["segments"] == [{"start": 0, "end": 6, "label": "HELLO"}]


def test_one_array_a_label_says_where_the_signs_are(folder):
    np.save(folder / "short.npy", array(4))
    joined = row(0, features=["s0.npy", "short.npy"])
    wild = row(2, split="wild", labels=None, features=["s0.npy", "s1.npy", "s2.npy"])
    corpus = prepare(index_of(folder, joined, row(1, labels="HELLO"), wild))
    assert corpus.record(0)["segments"] == [
        {"start": 0, "end": 6, "label": "HELLO"},
        {"start": 6, "end": 10, "label": "WORLD"},
    ]
    assert corpus.record(1)["segments"] == [{"start": 0, "end": 6, "label": "HELLO"}]
    assert corpus.record(2)["segments"] == []
    assert any("became segments" in note for note in corpus.info.source["notes"])


@pytest.mark.parametrize(
    "other",
    [
        row(1, features=["s1.npy", "s2.npy"], labels="ONE"),
        row(1),
        row(1, labels="ONE", segments=[[0, 3, "ONE"]]),
    ],
    ids=["more arrays than labels", "fewer", "segments given"],
)
def test_arrays_are_no_signs_where_one_sequence_says_otherwise(folder, other):
    corpus = prepare(index_of(folder, row(0, features=["s0.npy", "s1.npy"]), other))
    assert corpus.record(0)["segments"] == []


def test_provenance_names_what_was_read(folder, tmp_path):
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    corpus = prepare(index_of(folder, row(0), row(1)))
    assert corpus.info.source["importer"] == "manifest"
    assert corpus.info.source["slr_accel"] == version("slr-accel")
    command = ["sha256sum", "--check", str(corpus.folder / "source.sha256")]
    checked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert checked.stdout.splitlines() == [
        f"{name}: OK" for name in ("index.jsonl", "layout.json", "s0.npy", "s1.npy")
    ]


def independent_reading(folder: Path, fields: dict) -> np.ndarray:
    parts = fields["features"]
    parts = [parts] if isinstance(parts, str) else parts
    arrays = []
    for part in parts:
        name, key = part.split("#")
        with np.load(folder / name) as archive:
            arrays.append(archive[key])
    return np.vstack(arrays)


def prepared(source: Path, out: Path) -> tuple[Corpus, list[dict]]:
    corpus = built(list_manifest(source / "index.jsonl"), out)
    lines = (source / "index.jsonl").read_text().splitlines()
    return corpus, [json.loads(line) for line in lines]


@pytest.mark.real_data
def test_boston104_is_read_as_it_is(shared_data, tmp_path):
    source = shared_data / "boston104"
    corpus, index = prepared(source, tmp_path / "corpus")
    assert {name: count["sequences"] for name, count in corpus.info.splits.items()} == {
        "train": 137,
        "dev": 24,
    }
    assert corpus.layout.signature == "left_hand 1xy, right_hand 1xy, face 1xy"
    values = np.concatenate([independent_reading(source, fields) for fields in index])
    for number in (0, 3, 80, 160):
        expected = independent_reading(source, index[number])
        error = np.abs(corpus.features(number) - expected).max(axis=0)
        assert (error <= values.std(axis=0) / 1000).all()
        assert corpus.labels(number) == index[number]["labels"].split()
        assert corpus.rows.id(number) == index[number]["id"]
        assert corpus.rows.signer(number) == index[number]["signer"]
        segments = [tuple(segment.values()) for segment in corpus.record(number)["segments"]]
        assert segments == [
            (start, min(end, len(expected)), label)
            for start, end, label in index[number]["segments"]
        ]


@pytest.mark.real_data
def test_wlasl50_is_read_as_it_is_and_its_absent_hands_are_absent(shared_data, tmp_path):
    source = shared_data / "wlasl50"
    index = [json.loads(line) for line in (source / "index.jsonl").read_text().splitlines()][::20]
    rows = [{**row, "features": [f"{source}/{part}" for part in row["features"]]} for row in index]
    shutil.copy(source / "layout.json", tmp_path)
    corpus = prepare(index_of(tmp_path, *rows))
    assert len(corpus.rows) == 46
    seen = set()
    for number, fields in enumerate(index):
        expected = independent_reading(source, fields)
        np.testing.assert_allclose(corpus.features(number), expected, atol=1e-3)
        assert corpus.labels(number) == fields["labels"].split()
        # The data's README: 11 x 4 pose values, left hand 21 x 3, right hand 21 x 3.
        for hand, columns in (("left_hand", slice(44, 107)), ("right_hand", slice(107, 170))):
            absent = (expected[:, columns] == 0).all(axis=1)
            presence = corpus.presence(number)[:, corpus.layout.block_index(hand)]
            np.testing.assert_array_equal(presence, ~absent)
            seen |= {(hand, bool(flag)) for flag in presence}
    assert seen == {(hand, flag) for hand in ("left_hand", "right_hand") for flag in (True, False)}
