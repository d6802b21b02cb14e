"""What is wrong with own data is told with its line and the way out, and nothing is written."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from manifest_helpers import LAYOUT, array, prepare, refused, row
from prepare_helpers import assert_line_refused, index_of
from safetensors.torch import save_file as save_torch_file


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(1, id=None), ["`id`"]),
        (row(1, id=" "), ["`id`"]),
        ({**row(1), "id": 1}, ["`id` is 1, a number", 'in quotes, "1"']),
        ({**row(1), "split": 1.5}, ["`split` is 1.5, a number", 'in quotes, "1.5"']),
        ({**row(1), "id": ["s1"]}, ["`id`", "text"]),
        (row(1, id="s0"), ["'s0'", "index.jsonl:1"]),
        (row(1, split=None), ["`split`"]),
        (row(1, split="train "), ["'train '", "letters"]),
        (row(1, split="a/../b"), ["'a/../b'", "letters"]),
        (row(1, labels=None), ["`labels`", "train"]),
        (row(1, labels="  "), ["`labels`", "train"]),
        (row(1, labels=["A", 1]), ["`labels`", "texts"]),
        (row(1, labels=["A", ""]), ["`labels`", "an empty one"]),
        (row(1, labels="['GOOD', 'DAY']"), ["`labels`", '["GOOD", "DAY"]']),
        (row(1, labels='["GOOD", "DAY"'), ["`labels`", '["GOOD", "DAY"]']),
        (row(1, labels="[GOOD, DAY]"), ["`labels`", '["GOOD", "DAY"]']),
        (row(1, labels='["GOOD", 2]'), ["`labels`", "texts"]),
        (row(1, labels='["GOOD DAY"]'), ["'GOOD DAY'", "white space"]),
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
        (row(1, segments="[" * 100_000), ["`segments`"]),
        (row(1, features="[" * 100_000), ["features are read from"]),
        (row(1, signer=["anna"]), ["`signer`", "quotes"]),
        (row(1, signer=True), ["`signer`", "quotes"]),
        (row(1, segments=[[0, 9, "A"]]), ["s1", "6 frames"]),
        (row(1, segments=[[6, 7, "A"]]), ["s1", "[6, 7, 'A'] lies beyond", "6 frames"]),
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
    assert_line_refused(prepare, index_of(folder, row(0), bad), words)


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
        (lambda path: path.write_bytes(b"frame,x,y\n0,1,2\n"), ["s1.npy", "no .npy file at all"]),
        (lambda path: path.write_bytes(pickle.dumps([1.0])), ["s1.npy", "never unpickled"]),
        (saved(np.array([[{}]])), ["s1.npy", "never unpickled"]),
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
    assert_line_refused(prepare, index_of(folder, row(0), row(1)), ["index.jsonl:2: s1: ", *words])


ASKED = "are the arrays [values, frames]? frames come first"


@pytest.mark.parametrize("with_layout", [True, False])
def test_of_transposed_arrays_it_is_asked_whether_they_are(folder, with_layout):
    for i in range(3):
        np.save(folder / f"s{i}.npy", array(6 + i).T)
    if with_layout:
        (folder / "layout.json").write_text(json.dumps(LAYOUT))
    message = refused(index_of(folder, *(row(i) for i in range(3))))
    assert message.count(ASKED) == (3 if with_layout else 2)


def test_of_arrays_of_another_width_nothing_is_asked(folder):
    np.save(folder / "s1.npy", array(6, 4))
    np.save(folder / "s2.npy", array(7, 4))
    message = refused(index_of(folder, *(row(i) for i in range(3))))
    assert "[values, frames]" not in message
    # The majority decides which is the odd one.
    assert "s0.npy has 5 columns, but s1.npy, like most, has 4" in message
    assert message.count("--layout") == 1


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("a.npz#none", ["'none'", "it holds one, two"]),
        ("a.npz", ["FILE#KEY", "it holds one, two"]),
        ("a.safetensors#none", ["'none'", "it holds bf16"]),
        ("a.safetensors#bf16", ["BF16", "float32"]),
        ("s1.npy#key", ["one array", "#key"]),
        ("damaged.npz#one", ["damaged.npz", "not readable"]),
        ("junk.npz#one", ["junk.npz", "no .npz file at all"]),
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
    for name in ("junk.npz", "damaged.safetensors"):
        (folder / name).write_bytes(b"junk" * 30)
    save_torch_file({"bf16": torch.ones(6, 5, dtype=torch.bfloat16)}, folder / "a.safetensors")
    with (folder / "array.npz").open("wb") as file:
        np.save(file, array())
    index = index_of(folder, row(0), row(1, features=reference))
    assert_line_refused(prepare, index, words)


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
    assert "(and 99 like it, up to " in message
    assert len(message.splitlines()) == 3  # the head, the problem, the way out


def test_a_layout_that_is_not_there_is_refused(folder):
    assert "mediapipe_holistic" in refused(index_of(folder, row(0)), layout="none.json")


def test_a_corpus_is_never_written_over(folder):
    index = index_of(folder, row(0))
    prepare(index)
    with pytest.raises(ValueError, match="exists already"):
        prepare(index)


def test_a_pickle_in_any_source_file_is_refused_and_does_not_run(folder, payload):
    content = payload.pickled
    objects = np.array([[payload]], dtype=object)
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


@pytest.mark.parametrize(
    "segment", [[0, 3, "THANK YOU"], [0, 3, ""], [0.5, 3, "A"], [0, float("inf"), "A"]]
)
def test_segments_that_mean_something_else_are_refused(folder, segment):
    assert "`segments`" in refused(index_of(folder, row(0, segments=[segment])))
