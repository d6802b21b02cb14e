"""Folders with an array a frame become single signs, each block in its place."""

import re
from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import assert_shards_join, built, half_step, points_of

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.mp_data import list_mp_data

SOURCE = {"pose": (33, 4), "face": (468, 3), "left_hand": (21, 3), "right_hand": (21, 3)}
"""Points and values a point, in the order of the arrays."""


def blocks_of(frame: np.ndarray, of_pose: int = 4) -> dict[str, np.ndarray]:
    """An array taken apart: {block: [points, values]}."""
    parts, start = {}, 0
    for name, (points, values) in SOURCE.items():
        values = of_pose if name == "pose" else values
        parts[name] = frame[start : start + points * values].reshape(points, values)
        start += points * values
    assert start == len(frame)
    return parts


def frame(seed: int = 0, columns: int = 1662) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 0.9, columns)


def write(folder: Path, *numbers: int, columns: int = 1662) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        np.save(folder / f"{number}.npy", frame(number, columns))
    return folder


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Two words of five sequences of 12 frames."""
    for word in ("hello", "thanks"):
        for sequence in range(5):
            write(tmp_path / "MP_Data" / word / str(sequence), *range(12))
    return tmp_path / "MP_Data"


def prepare(folder: Path, **options) -> Corpus:
    return built(list_mp_data(folder, **options), folder.parent / "out" / "corpus")


def row_of(corpus: Corpus, id: str) -> int:
    return [corpus.rows.id(row) for row in range(len(corpus.rows))].index(id)


def refused(folder: Path) -> str:
    with pytest.raises(ValueError) as error:
        prepare(folder)
    assert not (folder.parent / "out").exists()
    return str(error.value)


# What good folders become.


@pytest.mark.parametrize(
    ("columns", "signature"),
    [
        (258, "pose 33xyzc, left_hand 21xyz, right_hand 21xyz"),
        (225, "pose 33xyz, left_hand 21xyz, right_hand 21xyz"),
        (132, "pose 33xyzc"),
        (126, "left_hand 21xyz, right_hand 21xyz"),
    ],
)
@pytest.mark.parametrize("name", ["frame_{:03}.npy", "{}.npy", "hello-{:02}.npy"])
def test_parts_of_holistic_and_names_with_a_number_are_read(tmp_path, columns, signature, name):
    folder = tmp_path / "MP_Data" / "hello" / "0"
    folder.mkdir(parents=True)
    for number in (8, 9, 10):
        np.save(folder / name.format(number), frame(number, columns))
    corpus = prepare(tmp_path / "MP_Data", dev_share=0)
    assert corpus.layout.signature == signature
    expected = np.stack([frame(number, columns) for number in (8, 9, 10)])
    np.testing.assert_allclose(corpus.features(0), expected, atol=1e-3)


def test_a_point_of_zeros_is_absent_and_filled_from_its_neighbours(words):
    array = frame(3)
    array[4 * 5 : 4 * 5 + 3] = 0
    np.save(words / "hello" / "2" / "3.npy", array)
    corpus = prepare(words)
    row = row_of(corpus, "hello/2")
    found = points_of(corpus, row, "pose")[:, 5, :3]
    assert found[3].all()
    assert corpus.presence(row).all()


def test_a_word_is_a_label_and_its_frames_are_in_the_order_of_their_numbers(words):
    corpus = prepare(words)
    row = row_of(corpus, "hello/3")
    assert corpus.labels(row) == ["hello"]
    assert corpus.rows.signer(row) == "unknown"
    assert corpus.info.frames_per_second is None
    expected = np.stack([blocks_of(frame(number))["right_hand"] for number in range(12)])
    np.testing.assert_allclose(points_of(corpus, row, "right_hand"), expected, atol=1e-3)


@pytest.mark.parametrize(("columns", "of_pose"), [(1662, 4), (1629, 3)])
def test_every_block_has_its_place(tmp_path, columns, of_pose):
    write(tmp_path / "MP_Data" / "hello" / "0", 0, columns=columns)
    corpus = prepare(tmp_path / "MP_Data", dev_share=0)
    for block, expected in blocks_of(frame(0, columns), of_pose).items():
        np.testing.assert_allclose(points_of(corpus, 0, block)[0], expected, atol=1e-3)


def test_visibility_is_kept_as_confidence(words):
    corpus = prepare(words)
    columns = [
        corpus.layout.point_columns(f"pose.{name}", ("confidence",))[0]
        for name in corpus.layout.block("pose").points
    ]
    found = corpus.features(row_of(corpus, "hello/0"))[0, columns]
    np.testing.assert_allclose(found, blocks_of(frame(0))["pose"][:, 3], atol=1e-3)


def test_an_absent_block_is_absent_not_at_zero(words):
    array = frame()
    blocks_of(array)["left_hand"][:] = 0
    np.save(words / "hello" / "0" / "5.npy", array)
    corpus = prepare(words)
    absent = ~corpus.presence(row_of(corpus, "hello/0"))
    assert np.argwhere(absent).tolist() == [[5, corpus.layout.block_index("left_hand")]]


def test_a_missing_frame_keeps_its_time_and_is_said(words):
    (words / "hello" / "0" / "7.npy").unlink()
    (words / "hello" / "0" / "8.npy").unlink()
    (words / "hello" / "1" / "11.npy").unlink()
    corpus = prepare(words)
    row = row_of(corpus, "hello/0")
    assert len(corpus.features(row)) == 12
    assert np.flatnonzero(~corpus.presence(row).any(axis=1)).tolist() == [7, 8]
    assert not corpus.features(row)[7:9].any()
    (note,) = corpus.info.source["notes"]
    assert "2 frames are missing in 1 of 10 sequences" in note
    assert str(words / "hello" / "0" / "7.npy") in note


def test_frames_may_be_numbered_from_any_number(tmp_path):
    write(tmp_path / "MP_Data" / "hello" / "0", *range(1, 12))
    assert len(prepare(tmp_path / "MP_Data", dev_share=0).features(0)) == 11


def test_every_word_of_dev_is_in_train(words):
    corpus = prepare(words)
    rows = range(len(corpus.rows))
    words_of = {
        split: {corpus.labels(row)[0] for row in rows if corpus.rows.split(row) == split}
        for split in ("train", "dev")
    }
    assert words_of == {"train": {"hello", "thanks"}, "dev": {"hello", "thanks"}}
    assert corpus.info.splits["dev"]["sequences"] == 2


def test_white_space_in_names_becomes_a_dash(tmp_path):
    write(tmp_path / "MP_Data" / "thank you" / "take 1", 0, 1)
    corpus = prepare(tmp_path / "MP_Data", dev_share=0)
    assert (corpus.rows.id(0), corpus.labels(0)) == ("thank-you/take-1", ["thank-you"])


def test_sequences_are_listed_in_the_order_of_their_numbers(tmp_path):
    for sequence in (10, 9, 0):
        write(tmp_path / "hello" / str(sequence), 0)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    ids = [item.id for item in list_mp_data(tmp_path).items]
    assert ids == ["hello/0", "hello/9", "hello/10"]


def test_shards_of_many_machines_join(words, tmp_path):
    assert_shards_join(list_mp_data(words), tmp_path)


# The real files.


@pytest.mark.real_data
def test_real_files_have_the_values_an_independent_reading_finds(shared_data, tmp_path):
    folder = shared_data / "formats" / "mp_data"
    corpus = built(list_mp_data(folder), tmp_path / "corpus")
    assert len(corpus.rows) == 16
    for row in range(16):
        word, _, sequence = corpus.rows.id(row).partition("/")
        assert corpus.labels(row) == [word]
        arrays = [np.load(folder / word / sequence / f"{number}.npy") for number in range(30)]
        for block in SOURCE:
            expected = np.stack([blocks_of(array)[block] for array in arrays])
            error = np.abs(points_of(corpus, row, block) - expected)
            assert (error <= half_step(expected, corpus.info.dtype)).all()
            seen = corpus.presence(row)[:, corpus.layout.block_index(block)]
            assert seen.tolist() == expected.any(axis=(1, 2)).tolist()


@pytest.mark.real_data
def test_real_hands_and_faces_are_where_the_pose_has_them(shared_data, tmp_path):
    corpus = built(list_mp_data(shared_data / "formats" / "mp_data"), tmp_path / "corpus")
    same = {
        "left_hand.wrist": ("pose.left_wrist", "pose.right_wrist"),
        "right_hand.wrist": ("pose.right_wrist", "pose.left_wrist"),
        "face.nose": ("pose.nose", "pose.left_shoulder"),
    }
    for row in range(len(corpus.rows)):
        for point, (near, far) in same.items():
            index = corpus.layout.block_index(point.partition(".")[0])
            features = corpus.features(row)[corpus.presence(row)[:, index]]
            if len(features):
                at = [features[:, corpus.layout.point_columns(p, ("x", "y"))] for p in (near, far)]
                own = features[:, corpus.layout.point_columns(point, ("x", "y"))]
                to_near, to_far = (np.linalg.norm(own - other, axis=1).mean() for other in at)
                assert to_near < to_far / 3


# What is wrong is told, with its place.


def break_file(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY not an array")


def test_a_broken_frame_is_told_with_its_sequence(words):
    break_file(words / "hello" / "2" / "3.npy")
    assert re.search(r"hello/2: hello/2: .*3\.npy: not readable", refused(words))
    assert "--allow_skips" in refused(words)


def test_an_array_of_another_width_is_told_with_its_file(words):
    np.save(words / "hello" / "2" / "3.npy", frame(columns=1629))
    assert re.search(r"hello/2: 3\.npy has shape \(1629,\), not \(1662,\)", refused(words))


def test_478_face_points_are_refused_by_name(tmp_path):
    write(tmp_path / "MP_Data" / "hello" / "0", 0, columns=1662 + 30)
    message = refused(tmp_path / "MP_Data")
    assert re.search(r"0\.npy: holds 1,692 values.*478 .*refine_face_landmarks", message)


def test_nan_is_told_with_its_block_and_frame(words):
    array = frame()
    blocks_of(array)["right_hand"][0, 1] = np.nan
    np.save(words / "hello" / "2" / "3.npy", array)
    assert "frame 3, block right_hand, its column 1" in refused(words)


def test_a_sequence_without_frames_is_told(words):
    (words / "hello" / "empty").mkdir()
    assert "hello/empty: has no frames; FOLDER/WORD/SEQUENCE/FRAME.npy is read" in refused(words)


def test_numbers_that_are_no_frame_numbers_are_refused(words):
    write(words / "hello" / "9", 1_700_000_000, 1_700_000_040)
    assert "2 frames, numbered from 1700000000 to 1700000040" in refused(words)


@pytest.mark.parametrize("name", ["first.npy", "-1.npy", "03.npy"])
def test_a_file_that_is_not_named_by_a_number_of_its_own_is_told(words, name):
    np.save(words / "hello" / "2" / name, frame())
    message = "has the number of" if name == "03.npy" else "not named by the number"
    assert re.search(rf"hello/2/\S+: (is )?{message}", refused(words))


def test_a_folder_of_another_level_is_refused(words):
    assert "FOLDER/WORD/SEQUENCE/FRAME.npy" in refused(words / "hello")


def test_an_absent_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        list_mp_data(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert "holds no sequences" in refused(tmp_path / "empty")


def test_arrays_of_objects_are_never_unpickled(words):
    np.save(words / "hello" / "2" / "3.npy", np.array([{}]), allow_pickle=True)
    assert "never unpickled" in refused(words)
