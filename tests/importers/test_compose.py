"""Sentences hold the clips that were asked for, of their own split, joined, and know where."""

import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import built

from slr_accel.cli import main
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.importers.build import build_corpus
from slr_accel.importers.compose import list_listed, list_sampled
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.manifest import list_manifest
from slr_accel.importers.merge import list_parts
from slr_accel.layouts.layout import generic_layout
from slr_accel.progress import untracked

WORDS = ("HELLO", "WORLD", "GIVE", "BOOK")


def sign(number: int, label: str, **changes) -> Sequence:
    """A clip whose values are its number."""
    frames = 3 + number % 3
    fields = {
        "id": f"clip{number}",
        "split": "train",
        "signer": "unknown",
        "features": np.full((frames, 2), number, np.float32),
        "presence": np.ones((frames, 1), bool),
        "labels": [label],
    }
    return Sequence(**(fields | changes))


def corpus_of(folder: Path, signs: Iterable[Sequence]) -> Path:
    write_corpus(
        folder / "signs",
        signs,
        layout=generic_layout(2),
        dtype="float32",
        frames_per_second=25.0,
        source={"importer": "test"},
    )
    return folder / "signs"


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    """Three train and one dev clip of each of four words; signers are unknown."""
    splits = ("train", "train", "train", "dev")
    clips = [(split, word) for word in WORDS for split in splits]
    return corpus_of(tmp_path, (sign(i, word, split=s) for i, (s, word) in enumerate(clips)))


def text_of(folder: Path, *lines: str, suffix: str = "txt") -> Path:
    path = folder / f"sentences.{suffix}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def clip_numbers(corpus: Corpus, row: int) -> list[int]:
    """Which clips a sentence joins, by the value of every segment."""
    features = corpus.features(row)
    values = [np.unique(features[s["start"] : s["end"]]) for s in corpus.record(row)["segments"]]
    assert all(len(value) == 1 for value in values)
    return [int(value[0]) for value in values]


# Listed sentences


def test_listed_sentences_join_a_clip_of_each_sign_and_segments_tell_where(signs, tmp_path):
    listed = text_of(tmp_path, "s1 train HELLO WORLD HELLO", "", "s2 dev BOOK")
    corpus = built(list_listed(signs, listed), tmp_path / "out")
    first, second = corpus.sequence(0), corpus.sequence(1)
    assert (first.id, first.split, first.labels) == ("s1", "train", ["HELLO", "WORLD", "HELLO"])
    assert (second.id, second.split, second.labels) == ("s2", "dev", ["BOOK"])
    assert [segment.label for segment in first.segments] == first.labels
    numbers = clip_numbers(corpus, 0)
    assert [WORDS[number // 4] for number in numbers] == first.labels
    lengths = [3 + number % 3 for number in numbers]
    assert [end - start for start, end, _ in first.segments] == lengths
    assert len(first.features) == sum(lengths)
    assert corpus.info.frames_per_second == 25.0


def test_jsonl_csv_and_txt_list_the_same_sentences(signs, tmp_path):
    files = [
        text_of(tmp_path, "s1 train GIVE BOOK", "s2 dev HELLO"),
        text_of(tmp_path, "id,split,labels", "s1,train,GIVE BOOK", "s2,dev,HELLO", suffix="csv"),
        text_of(
            tmp_path,
            '{"id": "s1", "split": "train", "labels": ["GIVE", "BOOK"]}',
            '{"id": "s2", "split": "dev", "labels": "HELLO", "signer": "unknown"}',
            suffix="jsonl",
        ),
    ]
    one, *others = (built(list_listed(signs, f), tmp_path / f.suffix) for f in files)
    for other in others:
        for row in (0, 1):
            assert one.record(row) == other.record(row)
            np.testing.assert_array_equal(one.features(row), other.features(row))


@pytest.mark.parametrize(
    ("suffix", "lines", "message"),
    [
        ("txt", ["s1 train HELLO", "s2 dev NEW BOOK OLD"], r":2: no clip in split dev: NEW, OLD"),
        ("txt", ["s1 train HELLO", "s2 test BOOK"], r":2: no clip in split test: BOOK"),
        ("txt", ["s1 train"], r":1: has no `labels`"),
        ("txt", ["s1"], r":1: `split` is missing"),
        ("txt", ["s1 train HELLO", "s1 train HELLO"], r":2: id 's1' was used at .*:1"),
        ("txt", [""], "has no lines"),
        ("csv", ["id/split/labels", "a/train/HELLO"], r":1: the header has .*without id, labels"),
        ("csv", ["id,split,labels", "a,train,HELLO,anna,x"], r":2: more cells"),
        ("jsonl", ["{"], r":1: not a JSON object"),
        ("jsonl", ['{"id": "a", "split": "train", "labels": 3}'], r":1: `labels` is neither"),
        (
            "jsonl",
            ['{"id": "a", "split": "train", "labels": "HELLO", "signer": "anna"}'],
            r":1: no clip of anna in split train: HELLO",
        ),
        ("xml", ["<s>"], "is a .jsonl or a .csv file"),
    ],
)
def test_what_is_wrong_with_a_list_is_told_with_its_line(signs, tmp_path, suffix, lines, message):
    with pytest.raises(ValueError, match=message):
        built(list_listed(signs, text_of(tmp_path, *lines, suffix=suffix)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_list_that_is_not_there_or_no_text_is_refused(signs, tmp_path):
    with pytest.raises(ValueError, match=r"none\.txt: not readable"):
        list_listed(signs, tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("s1 train GRÜN".encode("latin-1"))
    with pytest.raises(ValueError, match="not readable as UTF-8"):
        list_listed(signs, tmp_path / "latin.txt")


# Sampled sentences


def test_no_clip_leaks_from_one_split_into_another(signs, tmp_path):
    corpus = built(list_sampled(signs, {"train": 40, "dev": 20}, (2, 4)), tmp_path / "out")
    assert {name: c["sequences"] for name, c in corpus.info.splits.items()} == {
        "train": 40,
        "dev": 20,
    }
    for row in range(len(corpus.rows)):
        labels, numbers = corpus.labels(row), clip_numbers(corpus, row)
        assert 2 <= len(labels) <= 4
        assert [WORDS[number // 4] for number in numbers] == labels
        is_dev = corpus.rows.split(row) == "dev"
        assert all((number % 4 == 3) == is_dev for number in numbers)
    used = {n for row in corpus.rows.of_split("train") for n in clip_numbers(corpus, row)}
    assert len(used) == 12


def test_the_same_seed_gives_the_same_sentences_and_more_leave_the_first_as_they_are(
    signs, tmp_path
):
    few, many, other = (
        built(list_sampled(signs, {"train": n}, (2, 4), seed), tmp_path / f"{n}-{seed}")
        for n, seed in ((5, 3), (8, 3), (5, 4))
    )
    for row in range(5):
        assert few.record(row) == many.record(row)
        np.testing.assert_array_equal(few.features(row), many.features(row))
    assert [few.labels(r) for r in range(5)] != [other.labels(r) for r in range(5)]


def test_signs_that_train_lacks_are_not_sampled_for_dev(tmp_path):
    clips = [sign(0, "HELLO"), sign(1, "HELLO", split="dev"), sign(2, "NEW", split="dev")]
    listing = list_sampled(corpus_of(tmp_path, clips), {"dev": 10}, (2, 2))
    corpus = built(listing, tmp_path / "out")
    assert corpus.info.labels == ("HELLO",)


def test_merged_parts_are_the_corpus_one_machine_makes(signs, tmp_path):
    listing = list_sampled(signs, {"train": 9, "dev": 4}, (2, 4))
    for index in (1, 0):
        build_corpus(listing, tmp_path / "out", part=Part(index, 2), track=untracked)
    merged = built(list_parts(tmp_path / "out"), tmp_path / "out")
    whole = built(listing, tmp_path / "whole")
    assert merged.info == whole.info
    for file in (path.name for path in whole.folder.iterdir()):
        assert (merged.folder / file).read_bytes() == (whole.folder / file).read_bytes()


# Who signs


@pytest.fixture
def of_two(tmp_path: Path) -> Path:
    """Anna has every word once, Ben only the first two; a third clip of each is anyone's."""
    clips = []
    for number, word in enumerate(WORDS):
        clips.append(sign(10 + number, word, signer="anna"))
        clips.append(sign(30 + number, word))
        if number < 2:
            clips.append(sign(20 + number, word, signer="ben"))
    return corpus_of(tmp_path, clips)


def test_one_signer_signs_a_sentence_where_one_has_all_its_signs(of_two, tmp_path):
    corpus = built(list_sampled(of_two, {"train": 60}, (2, 2)), tmp_path / "out")
    for row in range(len(corpus.rows)):
        tens = {"anna": 1, "ben": 2}[corpus.rows.signer(row)]
        assert {number // 10 for number in clip_numbers(corpus, row)} == {tens}
    assert set(corpus.rows.signer_names) == {"anna", "ben"}


def test_signers_with_too_few_signs_for_a_sentence_sign_none_of_the_sampled(of_two, tmp_path):
    corpus = built(list_sampled(of_two, {"train": 30}, (2, 3)), tmp_path / "out")
    assert {corpus.rows.signer(row) for row in range(30)} == {"anna"}


def test_where_no_signer_has_all_signs_clips_are_mixed_and_that_is_said(tmp_path):
    folder = corpus_of(tmp_path, [sign(0, "HELLO", signer="anna"), sign(1, "NEW", signer="ben")])
    lines = ["s1 train HELLO NEW", "s2 train NEW NEW"]
    listing = list_listed(folder, text_of(tmp_path, *lines))
    assert any("1 of 2 sentences mix clips of all signers" in note for note in listing.notes)
    corpus = built(listing, tmp_path / "out")
    assert [corpus.rows.signer(row) for row in (0, 1)] == ["unknown", "ben"]


def test_a_listed_signer_signs_the_sentence(of_two, tmp_path):
    lines = [f"s{i},train,HELLO WORLD,ben" for i in range(5)]
    listed = text_of(tmp_path, "id,split,labels,signer", *lines, suffix="csv")
    corpus = built(list_listed(of_two, listed), tmp_path / "out")
    for row in range(5):
        assert corpus.rows.signer(row) == "ben"
        assert clip_numbers(corpus, row) == [20, 21]


# Where signs come from


def test_segments_of_sentences_are_clips_too(tmp_path):
    recorded = sign(
        7,
        "",
        features=np.repeat(np.arange(9, dtype=np.float32)[:, None], 2, axis=1),
        presence=np.ones((9, 1), bool),
        labels=["HELLO", "WORLD"],
        segments=[Segment(1, 3, "HELLO"), Segment(5, 8, "WORLD")],
    )
    folder = corpus_of(tmp_path, [recorded, sign(1, "", labels=[], split="test")])
    listing = list_listed(folder, text_of(tmp_path, "s1 train WORLD HELLO"))
    corpus = built(listing, tmp_path / "out")
    assert corpus.features(0)[:, 0].tolist() == [5, 6, 7, 1, 2]


def test_sentences_without_segments_are_named_as_a_problem(tmp_path):
    folder = corpus_of(tmp_path, [sign(i, "", labels=["A", "B"]) for i in range(2)])
    with pytest.raises(ValueError, match=r"(?s)signs: clip0: has 2 labels and no segm.*clip1"):
        list_sampled(folder, {"train": 3}, (1, 2))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give --num_train N"),
        (["--num_train=0", "--num_test=0"], "give --num_train N"),
        (["--num_train=3", "--sentences=s.txt"], "leave out --num_* and --signs"),
        (["--num_train=3", "--signs=4-2"], "--signs is '4-2'"),
        (["--num_train=3", "--signs=many"], "--signs is 'many'"),
        (["--num_train=3", "--seed=-1"], "--seed is -1"),
        (["--num_train=-3"], "--num_train is -3"),
        (["--num_test=3"], "no split 'test'; it has: dev, train"),
        (["--sentences=none.jsonl"], "no such index file"),
    ],
)
def test_options_that_make_no_sentences_are_refused(signs, tmp_path, capsys, words, message):
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as end:
        main(["prepare", "compose", "--corpus", str(signs), "--out", str(out), *words])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_no_sentences_of_a_split_need_no_such_split(signs, tmp_path):
    out = tmp_path / "out"
    words = ["--corpus", str(signs), "--out", str(out), "--num_train=2", "--num_test=0"]
    with pytest.raises(SystemExit) as end:
        main(["prepare", "compose", *words])
    assert end.value.code == 0
    assert open_corpus(out).rows.split_names == ["train"]


def test_a_folder_that_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        list_sampled(tmp_path, {"train": 1}, (1, 1))


# Real clips


@pytest.mark.real_data
def test_real_clips_stand_in_their_sentences_as_they_were_recorded(shared_data: Path, tmp_path):
    source = shared_data / "wlasl50"
    rows = [json.loads(line) for line in (source / "index.jsonl").read_text().splitlines()]
    clips = {
        name: (row["split"], label)
        for row in rows
        for name, label in zip(row["features"], row["labels"].split(), strict=True)
    }
    lines = [
        {"id": name.partition("#")[2], "split": split, "labels": label}
        | {"features": str(source / name)}
        for name, (split, label) in sorted(clips.items())
    ]
    index = tmp_path / "index.jsonl"
    index.write_text("\n".join(map(json.dumps, lines)))
    layout = source / "layout.json"
    signs = built(list_manifest(index, layout=str(layout), fps=12.5), tmp_path / "signs")
    listing = list_sampled(signs.folder, {"train": 30, "dev": 20}, (2, 5))
    corpus = built(listing, tmp_path / "out")
    arrays = np.load(source / "clips.npz")
    recorded = defaultdict(list)
    for name, key in clips.items():
        recorded[key].append(_in_body_units(arrays[name.partition("#")[2]]))
    for row in range(len(corpus.rows)):
        features, presence = corpus.features(row), corpus.presence(row)
        segments = corpus.record(row)["segments"]
        for segment in segments:
            found = _in_body_units(features[segment["start"] : segment["end"]])
            candidates = recorded[corpus.rows.split(row), segment["label"]]
            errors = [np.abs(a - found).max() for a in candidates if a.shape == found.shape]
            assert min(errors) < 1e-4
        for before, after in pairwise(segments):
            on_both_sides = presence[before["end"] - 1] & presence[after["start"]]
            assert (presence[before["end"] : after["start"]] == on_both_sides).all()


def _in_body_units(clip: np.ndarray) -> np.ndarray:
    """[T, 170] in shoulder widths from between the shoulders, straight from layout.json's order:
    11 pose points x (x, y, z, visibility), left hand and right hand 21 x (x, y, z)."""
    clip = clip.astype(np.float64)
    pose, hands = clip[:, :44].reshape(-1, 11, 4), clip[:, 44:].reshape(-1, 42, 3)
    left, right = pose[:, 1, :2], pose[:, 2, :2]
    middle, width = ((left + right) / 2).mean(0), np.linalg.norm(left - right, axis=1).mean()
    seen = hands.reshape(-1, 2, 63).any(axis=2).repeat(21, axis=1)[..., None]
    placed = [
        ((points[..., :2] - middle) / width * shown, points[..., 2:3] / width)
        for points, shown in ((pose, 1), (hands, seen))
    ]
    parts = [part.reshape(len(clip), -1) for group in placed for part in group]
    return np.concatenate([*parts, pose[..., 3]], axis=1)
