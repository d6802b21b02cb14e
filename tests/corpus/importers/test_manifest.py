"""Own data becomes a corpus unchanged, and whatever is wrong with it is told all at once."""

import codecs
import csv
import json
import pickle
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from prepare_helpers import built, index_of
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from slr_accel.corpus.importers.manifest import list_manifest
from slr_accel.corpus.reader import Corpus

LAYOUT = {
    "blocks": [
        {"name": "pose", "points": ["nose"], "axes": ["x", "y", "confidence"]},
        {"name": "hand", "points": ["wrist"], "axes": ["x", "y"], "missing": "zeros"},
    ],
    "units": "pixel",
}


def array(frames: int = 6, columns: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 2, (frames, columns)).astype(np.float32)


def row(number: int, **changes) -> dict:
    fields = {
        "id": f"s{number}",
        "split": "train",
        "signer": "anna",
        "features": f"s{number}.npy",
        "labels": "HELLO WORLD",
    }
    return {key: value for key, value in {**fields, **changes}.items() if value is not None}


def prepare(
    index: Path, *, layout: str | None = None, missing: str | None = None, fps: float | None = None
) -> Corpus:
    out = index.parent / "out" / "corpus"
    return built(list_manifest(index, layout=layout, missing=missing, fps=fps), out)


def refused(index: Path, **options) -> str:
    """The message of the ValueError that preparing must raise, having written nothing."""
    with pytest.raises(ValueError) as error:
        prepare(index, **options)
    assert not (index.parent / "out").exists()
    return str(error.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds s0.npy to s2.npy, [6, 5]."""
    for i in range(3):
        np.save(tmp_path / f"s{i}.npy", array(seed=i))
    return tmp_path


# What a good index becomes.


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


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "JSONL"])
def test_files_from_windows_are_read(folder, suffix):
    text = index_of(folder, row(0)).read_text()
    if suffix == "csv":
        text = "id,split,features,labels\ns0,train,s0.npy,HELLO WORLD\n"
    path = folder / f"index_windows.{suffix}"
    path.write_bytes(codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode())
    assert prepare(path).labels(0) == ["HELLO", "WORLD"]


def test_labels_may_be_separated_by_tabs_and_several_spaces(folder):
    assert prepare(index_of(folder, row(0, labels=" A\tB  C\n"))).labels(0) == ["A", "B", "C"]


def test_a_split_other_than_train_needs_no_labels(folder):
    corpus = prepare(index_of(folder, row(0), row(1, split="test", labels=None)))
    assert corpus.labels(1) == []


@pytest.mark.parametrize(
    ("given", "kept"), [(None, "unknown"), ("", "unknown"), (0, "0"), (7, "7")]
)
def test_a_signer_is_kept_as_a_text_and_unknown_where_not_given(folder, given, kept):
    fields = {**row(0), "signer": given}
    assert prepare(index_of(folder, fields)).rows.signer(0) == kept


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


# Layouts, absence, frame size, frame rate.


def test_a_layout_beside_the_index_is_used(folder):
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    corpus = prepare(index_of(folder, row(0)))
    assert corpus.layout.signature == "pose 1xyc, hand 1xy"


def test_a_layout_given_by_file_goes_before_the_one_beside(folder):
    (folder / "layout.json").write_text("broken")
    (folder / "mine.json").write_text(json.dumps(LAYOUT))
    corpus = prepare(index_of(folder, row(0)), layout=str(folder / "mine.json"))
    assert corpus.layout.signature == "pose 1xyc, hand 1xy"


def test_a_layout_given_by_name_is_used(folder):
    np.save(folder / "s0.npy", array(2, 1629))
    corpus = prepare(index_of(folder, row(0)), layout="mediapipe_holistic")
    assert corpus.layout.signature.startswith("pose 33xyz, left_hand 21xyz")


def hand_gone(marker: float) -> np.ndarray:
    """The hand is gone in frames 1 and 2, the nose has a single zero in frame 3."""
    values = array()
    values[1:3, 3:] = marker
    values[3, 0] = 0
    return values


@pytest.mark.parametrize("marker", ["zeros", "nan"])
def test_absent_blocks_are_marked_and_their_values_set_to_0(folder, marker):
    values = hand_gone(0 if marker == "zeros" else np.nan)
    if marker == "nan":
        values[1, 4] = 1.5  # one missing value makes the block missing
    np.save(folder / "s0.npy", values)
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    corpus = prepare(index_of(folder, row(0)), missing=marker)
    expected = np.ones((6, 2), bool)
    expected[1:3, 1] = False
    np.testing.assert_array_equal(corpus.presence(0), expected)
    assert (corpus.features(0)[1:3, 3:] == 0).all()
    np.testing.assert_array_equal(corpus.features(0)[:, :3], values[:, :3])


def test_each_block_marks_absence_as_the_layout_file_says(folder):
    values = hand_gone(0)
    values[4, :3] = 0  # the pose does not say that zeros mean absence
    np.save(folder / "s0.npy", values)
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    presence = prepare(index_of(folder, row(0))).presence(0)
    assert presence[:, 0].all()
    assert presence[:, 1].tolist() == [True, False, False, True, True, True]


def test_without_a_marker_zeros_are_values(folder):
    np.save(folder / "s0.npy", hand_gone(0))
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    assert prepare(index_of(folder, row(0)), missing="none").presence(0).all()


def test_pixels_are_divided_by_the_frame_size_and_confidence_is_not(folder):
    (folder / "layout.json").write_text(json.dumps({**LAYOUT, "frame_size": [640, 480]}))
    values = array() * 100
    values[1, 3:] = 0
    np.save(folder / "s0.npy", values)
    corpus = prepare(index_of(folder, row(0)))
    divided = values / np.array([640, 480, 1, 640, 480], np.float32)
    np.testing.assert_allclose(corpus.features(0), divided, rtol=1e-3)
    assert corpus.layout.units == "fraction of the frame's width and height"
    assert corpus.info.source["divided_by_frame_size"] == [640, 480]


@pytest.mark.parametrize(
    ("of_rows", "option", "expected"),
    [
        ((None, None), None, None),
        ((None, None), 30, 30),
        ((25, 25), None, 25),
        ((25, None), 25, 25),
        (("25.0", 25), 50, 25),  # rows that say it themselves go before
    ],
)
def test_the_frame_rate_is_that_of_the_rows_or_of_the_option(folder, of_rows, option, expected):
    rows = [row(i, fps=fps) for i, fps in enumerate(of_rows)]
    assert prepare(index_of(folder, *rows), fps=option).info.frames_per_second == expected


@pytest.mark.parametrize(
    ("of_rows", "option", "words"),
    [
        ((25, 30), None, [":2:", "25, 30", "resample"]),
        ((25, None), None, [":2:", "--fps"]),
        ((None, 25), None, [":1:", "--fps"]),
        ((25, None), 30, [":2:", "25, 30"]),
        ((None, None), 0, ["--fps", "0"]),
        ((None, None), -25, ["--fps", "-25"]),
        ((None, None), float("nan"), ["--fps", "nan"]),
    ],
)
def test_a_corpus_has_one_frame_rate(folder, of_rows, option, words):
    rows = [row(i, fps=fps) for i, fps in enumerate(of_rows)]
    message = refused(index_of(folder, *rows), fps=option)
    assert all(word in message for word in words), message


# What is wrong is told with its line and the way out, and nothing is written.


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(1, id=None), ["`id`"]),
        (row(1, id=" "), ["`id`"]),
        ({**row(1), "id": 1}, ["`id`", "text"]),
        (row(1, id="s0"), ["'s0'", "index.jsonl:1"]),
        (row(1, split=None), ["`split`"]),
        (row(1, split="train "), ["'train '", "letters"]),
        (row(1, split="a/../b"), ["'a/../b'", "letters"]),
        (row(1, labels=None), ["`labels`", "train"]),
        (row(1, labels="  "), ["`labels`", "train"]),
        (row(1, labels=["A", 1]), ["`labels`", "texts"]),
        (row(1, labels=["A", ""]), ["`labels`", "texts"]),
        (row(1, labels=["HELLO WORLD"]), ["'HELLO WORLD'", "white space"]),
        (row(1, labels=["A\tB"]), ["white space"]),
        (row(1, features=None), ["`features`", "FILE#KEY"]),
        (row(1, features=[]), ["`features`"]),
        (row(1, features=["s1.npy", 2]), ["`features`"]),
        (row(1, features="s1.npy;;s2.npy"), ["`features`"]),
        (row(1, features=None, audio=["a.wav"]), ["`audio`", "`features`"]),
        (row(1, segments=[[3, 3, "A"]]), ["`segments`", "start < end"]),
        (row(1, segments=[[-1, 3, "A"]]), ["`segments`"]),
        (row(1, segments=[[0, 3]]), ["`segments`"]),
        (row(1, segments="0-3 A"), ["`segments`"]),
        (row(1, segments=5), ["`segments`"]),
        (row(1, segments=[[0, 9, "A"]]), ["s1", "6 frames"]),
        (row(1, segments=[[6, 7, "A"]]), ["s1", "6 frames"]),
        (row(1, fps=0), ["`fps`", "0"]),
        (row(1, fps="fast"), ["`fps`", "'fast'"]),
        (row(1, fps=float("nan")), ["`fps`", "nan"]),
        ('{"id": "s1",', ["JSON"]),
        ("[1, 2]", ["JSON object"]),
        ("s1 train s1.npy", ["JSON"]),
        ("[" * 100_000, ["JSON"]),
    ],
)
def test_a_bad_row_is_refused_with_its_line(folder, bad, words):
    index = index_of(folder, row(0), bad)
    message = refused(index)
    assert f"{index}:2: " in message
    assert all(word in message for word in words), message


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def zip_instead(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=array())


def saved(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.save(path, values)


def with_value(value: float, dtype: str = "float64") -> np.ndarray:
    values = array().astype(dtype)
    values[4, 3] = value
    return values


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, ["s1.npy", "no such file"]),
        (folder_instead, ["s1.npy", "not a file"]),
        (empty, ["s1.npy", "not readable"]),
        (cut, ["s1.npy", "not readable"]),
        (zip_instead, ["s1.npy", "its content"]),
        (lambda path: path.write_bytes(b"frame,x,y\n0,1,2\n"), ["s1.npy", "not readable"]),
        (saved(np.array([["1", "2"]])), ["s1.npy", "not numbers"]),
        (saved(array().astype(complex)), ["s1.npy", "complex", "not numbers"]),
        (saved(array(6, 4)), ["s1.npy", "4 columns", "5", "--layout"]),
        (saved(np.zeros((0, 5))), ["s1.npy", "no frames"]),
        (saved(np.zeros((6, 0))), ["s1.npy", "no values"]),
        (saved(np.zeros(5)), ["s1.npy", "(5,)", "[frames, values]"]),
        (saved(np.zeros((6, 5, 3))), ["s1.npy", "(6, 5, 3)", "reshape"]),
        (saved(np.float32(1)), ["s1.npy", "()"]),
        (saved(with_value(np.nan)), ["s1", "frame 4", "column 3", "--missing nan"]),
        (saved(with_value(-np.inf)), ["s1", "frame 4", "infinite"]),
        (saved(with_value(1e300)), ["s1.npy", "1e+300", "float32"]),
    ],
)
def test_a_bad_array_is_refused_with_the_line_that_names_it(folder, damage, words):
    damage(folder / "s1.npy")
    index = index_of(folder, row(0), row(1))
    message = refused(index)
    assert f"{index}:2: s1: " in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("a.npz#none", ["'none'", "it holds one, two"]),
        ("a.npz", ["FILE#KEY", "it holds one, two"]),
        ("a.safetensors#none", ["'none'", "it holds bf16"]),
        ("a.safetensors#bf16", ["BF16", "float32"]),
        ("s1.npy#key", ["one array", "#key"]),
        ("damaged.npz#one", ["damaged.npz", "not readable"]),
        ("damaged.safetensors#one", ["damaged.safetensors", "not readable"]),
        ("array.npz#one", ["array.npz", "content"]),
        ("s1.csv", [".npy, .npz, .safetensors"]),
        ("s1", [".npy, .npz, .safetensors"]),
    ],
)
def test_a_bad_reference_is_refused_with_its_line(folder, reference, words):
    np.savez(folder / "a.npz", one=array(), two=array())
    content = (folder / "a.npz").read_bytes()
    (folder / "damaged.npz").write_bytes(content[:60] + b"junk" * 9 + content[96:])
    (folder / "damaged.safetensors").write_bytes(b"junk" * 30)
    save_torch_file({"bf16": torch.ones(6, 5, dtype=torch.bfloat16)}, folder / "a.safetensors")
    with (folder / "array.npz").open("wb") as file:
        np.save(file, array())
    index = index_of(folder, row(0), row(1, features=reference))
    message = refused(index)
    assert f"{index}:2: " in message
    assert all(word in message for word in words), message


def test_problems_of_index_rates_and_arrays_are_reported_all_at_once(folder):
    index = index_of(
        folder,
        row(0, features="gone.npy", fps=25),
        row(1, labels=None, split="train", fps=25),
        "not json",
        row(2, fps=30),
        row(3, features="also_gone.npy", fps=25),
    )
    message = refused(index)
    assert message.startswith("5 problems")
    for line, word in ((1, "gone.npy"), (2, "labels"), (3, "JSON"), (4, "rates"), (5, "also_gone")):
        assert any(f":{line}: " in part and word in part for part in message.splitlines()), line


def test_many_problems_are_counted_and_the_first_shown(folder):
    message = refused(index_of(folder, *(row(i + 10) for i in range(100))))
    assert message.startswith("100 problems")
    assert "... and 80 more" in message
    assert len(message.splitlines()) == 23  # and the head, the rest's number, the way out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl", b"\n\n", "no rows"),
        ("a.csv", b"", "id"),
        ("a.csv", b"id,split,features,labels\n", "no rows"),
        ("a.csv", b"id;split;features;labels\ns0;train;s0.npy;A\n", "comma-separated"),
        ("a.csv", b"name,split,features\ns0,train,s0.npy\n", "without id"),
        ("a.csv", b"id,split,features,labels\ns0,train,s0.npy,A, B\n", "a.csv:2: more cells"),
        ("a.csv", b"id,split,features,labels\ns0,train\n", "a.csv:2: `features`"),
        ("a.csv", b"id,split,features,labels\ns0,train,s0.npy,\n", "a.csv:2: s0: has no `labels`"),
        ("a.jsonl", '{"id": "ü"}'.encode("latin-1"), "UTF-8"),
        ("a.jsonl", "{}".encode("utf-16"), "UTF-8"),
        ("a.txt", b"{}", ".jsonl or a .csv"),
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


def test_a_layout_that_is_not_there_is_refused(folder):
    assert "mediapipe_holistic" in refused(index_of(folder, row(0)), layout="none.json")


def test_a_corpus_is_never_written_over(folder):
    index = index_of(folder, row(0))
    prepare(index)
    with pytest.raises(ValueError, match="exists already"):
        prepare(index)


class Payload:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_a_pickle_in_any_source_file_is_refused_and_does_not_run(folder):
    marker = folder / "code_ran"
    content = pickle.dumps(Payload(marker))
    pickle.loads(content)
    assert marker.exists(), "the payload itself must work, or this proves nothing"
    marker.unlink()
    objects = np.array([[Payload(marker)]], dtype=object)
    np.save(folder / "objects.npy", objects, allow_pickle=True)
    np.savez(folder / "objects.npz", key=objects)
    names = ["objects.npy", "objects.npz#key"]
    for suffix in ("npy", "npz", "safetensors"):
        (folder / f"raw.{suffix}").write_bytes(content)
        names.append(f"raw.{suffix}" + ("" if suffix == "npy" else "#key"))
    index = index_of(folder, *(row(i, features=name) for i, name in enumerate(names)))
    message = refused(index)
    assert message.startswith(f"{len(names)} problems")
    assert "never unpickled" in message
    (folder / "layout.json").write_bytes(content)
    assert "layout.json" in refused(index_of(folder, row(0)))
    (folder / "layout.json").unlink()
    for suffix in ("jsonl", "csv"):
        (folder / f"pickle.{suffix}").write_bytes(content)
        assert "pickle" in refused(folder / f"pickle.{suffix}")
    assert not marker.exists()


# Real data.


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


@pytest.mark.parametrize(
    "segment", [[0, 3, "THANK YOU"], [0, 3, ""], [0.5, 3, "A"], [0, float("inf"), "A"]]
)
def test_segments_that_mean_something_else_are_refused(folder, segment):
    assert "`segments`" in refused(index_of(folder, row(0, segments=[segment])))
