"""Skeletons as text become a corpus, and lines that cannot be right are told with their place."""

import re
from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import assert_shards_join, built, half_step, points_of

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.skels import list_skels

OPENPOSE = ["nose", "neck"] + [
    f"{side}_{joint}" for side in ("right", "left") for joint in ("shoulder", "elbow", "wrist")
]
HANDS = {"left_hand": 8, "right_hand": 29}
"""The first of 21 points in a frame of 50."""


def frames(count: int = 4, seed: int = 0) -> np.ndarray:
    """[count, 150]"""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 150)).round(5)


def line(values: np.ndarray) -> str:
    """Frames as the format has them: 150 values and the frame's place from 0 to 1."""
    rows = np.column_stack([values, np.arange(len(values)) / len(values)])
    return " ".join(f"{value:.5f}" for value in rows.reshape(-1))


def write(folder: Path, split: str = "train", **changes: str | None) -> Path:
    """Two sequences; `skels`, `files`, `gloss` or `text` replaces a file, None leaves it out."""
    files = {
        "skels": f"{line(frames(4))}\n{line(frames(6, seed=1))}\n",
        "files": f"{split}/first\n{split}/second\n",
        "gloss": "REGEN KOMMEN\nSONNE\n",
        "text": "es regnet .\ndie sonne scheint .\n",
    }
    folder.mkdir(exist_ok=True)
    for suffix, content in {**files, **changes}.items():
        if content is not None:
            (folder / f"{split}.{suffix}").write_text(content, encoding="utf-8")
    return folder


def prepare(folder: Path) -> Corpus:
    return built(list_skels(folder), folder / "out" / "corpus")


def refused(folder: Path) -> str:
    with pytest.raises(ValueError) as error:
        prepare(folder)
    assert not (folder / "out").exists()
    return str(error.value)


# What good files become.


def test_lines_of_four_files_become_a_sequence(tmp_path):
    corpus = prepare(write(tmp_path))
    assert corpus.record(0) == {
        "id": "first",
        "split": "train",
        "signer": "unknown",
        "labels": ["REGEN", "KOMMEN"],
        "segments": [],
        "text": "es regnet .",
    }
    np.testing.assert_allclose(
        corpus.features(1), frames(6, seed=1), atol=half_step(np.ones(1), corpus.info.dtype)[0]
    )
    assert corpus.info.frames_per_second == 25
    assert corpus.presence(0).all()


def test_the_split_is_the_name_of_the_file(tmp_path):
    corpus = prepare(write(write(tmp_path, "train"), "dev", files="dev/third\nfourth\n"))
    splits = {corpus.rows.id(row): corpus.rows.split(row) for row in range(len(corpus.rows))}
    assert splits == {"first": "train", "second": "train", "third": "dev", "fourth": "dev"}


def test_glosses_and_texts_may_be_absent(tmp_path):
    corpus = prepare(write(tmp_path, "test", gloss=None, text=None))
    assert corpus.record(0)["labels"] == []
    assert corpus.record(0)["text"] is None


def test_every_point_has_its_place(tmp_path):
    values = np.arange(150).reshape(1, 150) / 1000
    corpus = prepare(write(tmp_path, skels=f"{line(values)}\n{line(frames())}\n"))
    points = values.reshape(50, 3)

    def place(reference: str) -> list[float]:
        columns = corpus.layout.point_columns(reference, ("x", "y", "z"))
        return corpus.features(0)[0, columns].astype(float).tolist()

    expected = {f"pose.{name}": points[i] for i, name in enumerate(OPENPOSE)}
    for hand, first in HANDS.items():
        expected |= {f"{hand}.wrist": points[first], f"{hand}.thumb_cmc": points[first + 1]}
        expected |= {f"{hand}.pinky_tip": points[first + 20]}
    for reference, xyz in expected.items():
        np.testing.assert_allclose(place(reference), xyz, atol=1e-4, err_msg=reference)


def test_a_block_of_zeros_is_absent(tmp_path):
    values = frames()
    values[2, 3 * HANDS["right_hand"] :] = 0
    corpus = prepare(write(tmp_path, skels=f"{line(values)}\n{line(frames())}\n"))
    seen = corpus.presence(0)[:, corpus.layout.block_index("right_hand")]
    assert seen.tolist() == [True, True, False, True]
    assert corpus.presence(0)[:, corpus.layout.block_index("left_hand")].all()


def test_shards_of_many_machines_join(tmp_path):
    write(write(tmp_path / "source"), "dev", files="third\nfourth\n")
    assert_shards_join(list_skels(tmp_path / "source"), tmp_path)


def test_listing_keeps_no_frames_in_memory(tmp_path):
    listing = list_skels(write(tmp_path))
    (tmp_path / "train.skels").write_text("x" * 10)
    with pytest.raises(ValueError, match="has 1 values"):
        listing.items[0].read()


# The real files.


@pytest.mark.real_data
def test_real_files_have_the_values_an_independent_reading_finds(shared_data, tmp_path):
    folder = shared_data / "formats" / "skels"
    corpus = built(list_skels(folder), tmp_path / "corpus")
    assert len(corpus.rows) == 15
    rows = {corpus.rows.id(row): row for row in range(15)}
    for split in ("train", "dev", "test"):
        lines = {
            suffix: (folder / f"{split}.{suffix}").read_text(encoding="utf-8").splitlines()
            for suffix in ("skels", "files", "gloss", "text")
        }
        for numbers, name, gloss, text in zip(*lines.values(), strict=True):
            row = rows[name.partition("/")[2]]
            values = np.array([float(number) for number in numbers.split(" ")]).reshape(-1, 151)
            blocks = {"pose": values[:, :24], "left_hand": values[:, 24:87]}
            blocks["right_hand"] = values[:, 87:150]
            for block, expected in blocks.items():
                found = points_of(corpus, row, block).reshape(len(values), -1)
                error = np.abs(found - expected)
                assert (error <= half_step(expected, corpus.info.dtype) + 1e-8).all()
            assert corpus.labels(row) == gloss.split()
            assert corpus.record(row)["text"] == text
            assert corpus.rows.split(row) == split


@pytest.mark.real_data
def test_real_hands_are_at_the_wrists_of_their_side(shared_data, tmp_path):
    corpus = built(list_skels(shared_data / "formats" / "skels"), tmp_path / "corpus")
    for row in range(len(corpus.rows)):
        for side, other in (("left", "right"), ("right", "left")):
            hand = points_of(corpus, row, f"{side}_hand")[:, 0]
            pose = points_of(corpus, row, "pose")
            own = np.linalg.norm(hand - pose[:, OPENPOSE.index(f"{side}_wrist")], axis=1)
            far = np.linalg.norm(hand - pose[:, OPENPOSE.index(f"{other}_wrist")], axis=1)
            assert own.mean() < far.mean() / 3


# What is wrong is told, with its place.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gloss": "REGEN\n"}, r"train.gloss: has 1 lines, but train.skels has 2"),
        ({"text": "a\nb\nc\n"}, r"train.text: has 3 lines, but train.skels has 2"),
        ({"files": "first\n"}, r"train.files: has 1 lines"),
        ({"files": None}, r"train.files: no such file"),
        ({"files": "first\n\n"}, r"train.files:2: has no name"),
        ({"files": "same\nsame\n"}, r"train.skels:2: id 'same' was used at .*train.skels:1"),
        ({"files": "first\na b\n"}, r"train.skels:2: id 'a b' contains white space"),
        ({"gloss": "\nSONNE\n"}, r"train.skels:1: first: has no `labels`"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path, changes, message):
    assert re.search(message, refused(write(tmp_path, **changes)))


def with_counter_that_falls() -> str:
    return f"{line(frames())} {line(frames())}"


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (line(frames())[:-30], "no multiple of the 151"),
        (line(frames()) + " 0.5", "605 values, which is no multiple"),
        (with_counter_that_falls(), "counter.* does not rise from frame 3 to 4"),
        (line(frames()).replace("0.75000", "nan"), "counter"),
        ("nan " + line(frames()).partition(" ")[2], "NaN or infinite, the first in frame 0, block"),
        ("1e60 " + line(frames()).partition(" ")[2], "beyond float32"),
        ("x " + line(frames()).partition(" ")[2], "no number"),
        ("", "the line is empty"),
    ],
)
def test_a_damaged_line_is_told_with_its_number(tmp_path, damaged, message):
    text = refused(write(tmp_path, skels=f"{line(frames())}\n{damaged}\n"))
    assert re.search(f"train.skels:2: second: .*{message}", text)
    assert "--allow_skips" in text


def test_a_folder_without_skeletons_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no \.skels files"):
        list_skels(tmp_path)


def test_a_name_that_is_no_split_is_refused(tmp_path):
    assert "use letters" in refused(write(tmp_path, "my train"))


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_a_frame_rate_that_is_none_is_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="--fps"):
        list_skels(write(tmp_path), fps=fps)
