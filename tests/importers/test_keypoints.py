"""Landmarks of public corpora become a corpus: each point at its place, absent where it was so."""

import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from prepare_helpers import assert_shards_join, built, half_step, points_of

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.dev_split import DevShare
from slr_accel.importers.field_annotations import annotation_files
from slr_accel.importers.keypoint_forms import default_missing, sequence_values
from slr_accel.importers.keypoints import list_keypoints
from slr_accel.layouts.named_layouts import NAMED_LAYOUTS
from slr_accel.runs.recordings import make_reader
from slr_accel.runs.run_folder import RunFolder, create_run

COCO = {"left_hand": slice(91, 112), "right_hand": slice(112, 133), "face": slice(23, 91)}
COCO["pose"] = slice(0, 23)
ISHARAH = {"right_hand": slice(0, 21), "left_hand": slice(21, 42), "face": slice(42, 61)}
ISHARAH["pose"] = slice(61, 86)


def prepare(source: Path, *annotations: Path, out: Path | None = None, **options) -> Corpus:
    listing = list_keypoints(source, list(annotations) or None, **options)
    return built(listing, out or source.parent / "out" / "corpus")


def refused(source: Path, *annotations: Path, **options) -> str:
    with pytest.raises(ValueError) as error:
        prepare(source, *annotations, **options)
    return str(error.value)


def row_of(corpus: Corpus, id: str) -> int:
    return [corpus.rows.id(row) for row in range(len(corpus.rows))].index(id)


def write(path: Path, content: object) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def keypoints(points: int, axes: int, frames: int = 5, seed: int = 0) -> np.ndarray:
    """Pixels, the last of three axes a score above 0.5."""
    values = np.random.default_rng(seed).uniform(20, 250, (frames, points, axes))
    if axes == 3:
        values[..., 2] = values[..., 2] / 500 + 0.45
    return values.astype(np.float32)


def assert_block(corpus: Corpus, row: int, block: str, expected: np.ndarray) -> None:
    """The block has these values, [T, points, axes], up to storage; NaN is any."""
    found = points_of(corpus, row, block)
    known = ~np.isnan(expected)
    error = np.abs(found - expected)[known]
    assert (error <= half_step(expected[known], corpus.info.dtype) + 1e-7).all(), block


# The real kinds, in small.


@pytest.mark.real_data
def test_coco_wholebody_with_gz_annotations_is_read(cases, tmp_path):
    folder = cases / "coco_wholebody"
    source = folder / "keypoints_hrnet_dark_coco_wholebody.pkl"
    said = [folder / f"phoenix-2014t.{split}" for split in ("train", "dev")]
    corpus = prepare(source, *said, out=tmp_path / "corpus", frame_size=(210, 260))
    stored = pickle.loads(source.read_bytes())
    rows = [row for path in said for row in pickle.loads(gzip.decompress(path.read_bytes()))]
    assert len(corpus.rows) == len(rows) == 6
    for line in rows:
        split, _, id = line["name"].partition("/")
        row = row_of(corpus, id)
        assert corpus.rows.split(row) == split
        assert corpus.rows.signer(row) == line["signer"]
        assert corpus.labels(row) == line["gloss"].split()
        values = stored[line["name"]]["keypoints"].astype(np.float64)
        values[..., :2] /= 260
        absent = values[..., 2] < 0.3
        values[absent, :2] = np.nan
        for block, columns in COCO.items():
            there = ~absent[:, columns].all(axis=1)
            presence = corpus.presence(row)[:, corpus.layout.block_index(block)]
            np.testing.assert_array_equal(presence, there)
            assert_block(corpus, row, block, np.where(there[:, None, None], values[:, columns], 0))
    assert corpus.layout.units == "the frame's height"


@pytest.mark.real_data
def test_isharah_is_read_and_left_is_left(cases, tmp_path):
    folder = cases / "isharah"
    [source] = folder.glob("*.pkl")
    said = [folder / "train.txt", folder / "dev.csv"]
    corpus = prepare(source, *said, out=tmp_path / "corpus")
    stored = pickle.loads(source.read_bytes())
    labels = {
        line.split("|")[0]: line.split("|")[1].split()
        for path in said
        for line in path.read_text(encoding="utf-8").splitlines()[1:]
    }
    for id, content in stored.items():
        row, values = row_of(corpus, id), content["keypoints"].astype(np.float64)
        assert corpus.labels(row) == labels[id]
        assert corpus.rows.signer(row) == id[:2]
        assert corpus.rows.split(row) == ("dev" if id == "03_0003" else "train")
        for block, columns in ISHARAH.items():
            there = values[:, columns].any(axis=(1, 2))
            presence = corpus.presence(row)[:, corpus.layout.block_index(block)]
            np.testing.assert_array_equal(presence, there)
            assert_block(corpus, row, block, values[:, columns])
        # The right wrist of the pose is where the right hand is.
        hand = points_of(corpus, row, "right_hand")[:, 0]
        shown = hand.any(axis=1)
        pose = points_of(corpus, row, "pose")
        near = np.linalg.norm(hand - pose[:, 16], axis=1)[shown].mean()
        assert near < np.linalg.norm(hand - pose[:, 15], axis=1)[shown].mean()


@pytest.mark.real_data
def test_openpose_is_read_as_json_has_it(cases, tmp_path):
    source = cases / "openpose" / "openpose_output"
    folders = sorted(path for path in (source / "json").iterdir())
    index = tmp_path / "labels.jsonl"
    lines = [
        {"id": path.name, "split": "train", "features": f"json/{path.name}", "labels": "A"}
        for path in folders
    ]
    index.write_text("\n".join(json.dumps({**line, "fps": 24}) for line in lines))
    corpus = prepare(source, index, out=tmp_path / "corpus")
    keys = {"pose": "pose", "face": "face", "left_hand": "hand_left", "right_hand": "hand_right"}
    for folder in folders:
        row = row_of(corpus, folder.name)
        assert corpus.info.frames_per_second == 24
        for number, path in enumerate(sorted(folder.iterdir())):
            people = json.loads(path.read_text())["people"]
            for block, key in keys.items():
                numbers = people[0][f"{key}_keypoints_2d"] if people else []
                values = np.array(numbers, np.float64).reshape(-1, 3)
                index_of_block = corpus.layout.block_index(block)
                assert corpus.presence(row)[number, index_of_block] == values.any()
                if values.any():
                    values[~values.any(axis=1)] = np.nan
                    found = points_of(corpus, row, block)[number]
                    known = ~np.isnan(values[:, 0])
                    np.testing.assert_allclose(found[known], values[known], rtol=1e-3)


@pytest.mark.real_data
def test_kaggle_s_long_form_is_read(cases, tmp_path):
    folder = cases / "kaggle_long"
    corpus = prepare(folder, folder / "train.csv", out=tmp_path / "corpus")
    lines = [line.split(",") for line in (folder / "train.csv").read_text().splitlines()[1:]]
    assert sorted(corpus.rows.split(row) for row in range(6)) == ["dev"] + ["train"] * 5
    for path, participant, sequence, sign in lines:
        row = row_of(corpus, sequence)
        assert corpus.rows.signer(row) == participant
        assert corpus.labels(row) == [sign]
        table = pq.read_table(folder / path).to_pandas()
        first = table.frame.min()
        assert corpus.rows.frames[row] == table.frame.max() - first + 1
        seen = set(table.frame)
        for block in ("pose", "left_hand", "right_hand", "face"):
            presence = corpus.presence(row)[:, corpus.layout.block_index(block)]
            found = points_of(corpus, row, block)
            of_block = table[table.type == block].sort_values(["frame", "landmark_index"])
            for number, rows in of_block.groupby("frame"):
                values = rows[["x", "y", "z"]].to_numpy()
                assert presence[number - first] == (~np.isnan(values)).any()
                known = ~np.isnan(values[:, 0])
                np.testing.assert_allclose(found[number - first][known], values[known], atol=1e-3)
            gaps = [n - first for n in range(first, table.frame.max()) if n not in seen]
            assert not presence[gaps].any()


@pytest.mark.real_data
def test_kaggle_s_wide_form_is_read(cases, tmp_path):
    folder = cases / "kaggle_wide"
    corpus = prepare(folder, folder / "train.csv", out=tmp_path / "corpus")
    table = pq.read_table(folder / "train_landmarks" / "7001.parquet").to_pandas()
    for sequence, rows in table.groupby("sequence_id"):
        row = row_of(corpus, str(sequence))
        assert corpus.labels(row) == ["12", "maple", "lane"]
        assert corpus.rows.signer(row) == "31"
        found = points_of(corpus, row, "right_hand")[:, 4, 0]
        values = rows.sort_values("frame").x_right_hand_4.to_numpy()
        known = ~np.isnan(values)
        np.testing.assert_allclose(found[known], values[known], atol=1e-3)
        presence = corpus.presence(row)[:, corpus.layout.block_index("right_hand")]
        np.testing.assert_array_equal(presence, known)


# Forms of pickles.


def test_a_pickle_a_video_of_several_people_gives_the_best_scored(tmp_path):
    """As Uni-Sign has them: fractions, and scores beside the points."""
    points = np.random.default_rng(0).uniform(0.1, 0.9, (4, 2, 133, 2)).astype(np.float32)
    scores = np.full((4, 2, 133), 0.9, np.float32)
    scores[:2, 0], scores[2:, 1], scores[0, 1, 5] = 0.8, 0.5, 0.1
    folder = tmp_path / "videos"
    folder.mkdir()
    content = {
        "keypoints": [*points, np.zeros((0, 133, 2))],
        "scores": [*scores, np.zeros((0, 133))],
    }
    write(folder / "a.pkl", content)
    labels = write(tmp_path / "labels.train", {"a.mp4": {"name": "a.mp4", "gloss": ["X", "Y"]}})
    corpus = prepare(folder, labels)
    assert corpus.labels(0) == ["X", "Y"]
    assert corpus.rows.split(0) == "train"
    assert corpus.layout.units == "fraction of the frame's width and height"
    best = np.concatenate([points[:2, 1], points[2:, 0]]).astype(np.float64)
    best[0, 5] = np.nan
    found = points_of(corpus, 0, "pose")[:4, :, :2]
    known = ~np.isnan(best[:, :23])
    np.testing.assert_allclose(found[known], best[:, :23][known], atol=1e-3)
    assert not corpus.presence(0)[4].any()
    second = prepare(folder, labels, out=tmp_path / "second", person=1)
    np.testing.assert_allclose(
        points_of(second, 0, "right_hand")[3, :, :2], points[3, 1, 112:133], atol=1e-3
    )


def test_labels_and_tensors_in_the_pickle_itself_are_read(tmp_path):
    """As MSKA has them."""
    values = keypoints(133, 3)
    source = write(
        tmp_path / "Phoenix-2014T.train",
        {
            "train/a": {
                "name": "train/a",
                "gloss": "A B",
                "text": "t",
                "keypoint": torch.tensor(values),
            }
        },
    )
    corpus = prepare(source)
    assert (corpus.labels(0), corpus.rows.split(0), corpus.rows.id(0)) == (["A", "B"], "train", "a")
    for block, columns in COCO.items():
        assert_block(corpus, 0, block, values[:, columns].astype(np.float64))


def test_features_in_a_gz_pickle_are_generic_columns(tmp_path):
    """As neccam's phoenix14t has them."""
    signs = [torch.rand(4, 16), torch.rand(6, 16)]
    rows = [
        {"name": f"train/{i}", "signer": "S1", "gloss": "A  B", "text": "t", "sign": sign}
        for i, sign in enumerate(signs)
    ]
    source = tmp_path / "phoenix14t.pami0.train"
    source.write_bytes(gzip.compress(pickle.dumps(rows)))
    corpus = prepare(source)
    assert corpus.layout.signature == "features 16"
    np.testing.assert_allclose(corpus.features(1), signs[1].numpy(), atol=1e-3)
    assert (corpus.labels(0), corpus.rows.signer(0)) == (["A", "B"], "S1")


def test_confidences_beside_the_points_are_an_axis(tmp_path):
    """As OpenHands has them: pose, left hand, right hand of MediaPipe."""
    values = np.random.default_rng(0).uniform(0.1, 0.9, (5, 75, 3)).astype(np.float32)
    source = tmp_path / "clips"
    source.mkdir()
    write(source / "a.pkl", {"keypoints": values, "confidences": np.ones((5, 75), np.float32)})
    corpus = prepare(source)
    assert corpus.rows.split(0) == "test"
    assert corpus.layout.signature == "pose 33xyzc, left_hand 21xyzc, right_hand 21xyzc"
    np.testing.assert_allclose(
        points_of(corpus, 0, "right_hand")[..., :3], values[:, 54:], atol=1e-3
    )
    np.testing.assert_allclose(
        points_of(corpus, 0, "left_hand")[..., :3], values[:, 33:54], atol=1e-3
    )


def test_zeros_and_nan_both_mark_an_absent_point(tmp_path):
    values = keypoints(86, 2)
    values[1, :21], values[2, :21], values[3, 30] = 0, np.nan, np.nan
    corpus = prepare(write(tmp_path / "a.pkl", {"a": values}))
    assert corpus.presence(0)[:, 0].tolist() == [True, False, False, True, True]
    assert corpus.presence(0)[:, 1].all()
    assert np.isfinite(corpus.features(0)).all()


def test_a_run_reads_arrays_as_the_corpus_has_them(tmp_path):
    values = keypoints(86, 2)
    values[1, :21], values[2, :21], values[3, 30] = 0, np.nan, np.nan
    corpus = prepare(write(tmp_path / "a.pkl", {"a": values}))
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    create_run(run, corpus, micro_batches_per_step=1, mixed_precision="no")
    read = make_reader(corpus.layout, None, run.path / "layout.json", None).read(values)
    np.testing.assert_array_equal(read.presence, corpus.presence(0))
    np.testing.assert_allclose(read.values, corpus.features(0), rtol=1e-3, atol=1e-3)


def test_the_score_at_which_a_point_counts_can_be_set(tmp_path):
    values = keypoints(133, 3)
    values[:, 112:, 2] = 0.25
    source = write(tmp_path / "a.pkl", {"a": values})
    hand = prepare(source).presence(0)[:, 3]
    assert not hand.any()
    corpus = prepare(source, out=tmp_path / "second", min_score=0.2)
    assert corpus.presence(0).all()


def test_shards_of_many_machines_join(tmp_path):
    source = write(tmp_path / "a.pkl", {f"train/{i}": keypoints(86, 2, seed=i) for i in range(4)})
    table = tmp_path / "train.csv"
    table.write_text("id|gloss\n" + "".join(f"{i}|A\n" for i in range(4)))
    assert_shards_join(list_keypoints(source, [table]), tmp_path)


# Annotations.


def test_names_of_phoenix_2014_find_their_recordings(tmp_path):
    source = write(tmp_path / "a.pkl", {"dev/01April-0": keypoints(133, 3)})
    said = write(
        tmp_path / "phoenix-2014.dev",
        [{"name": "fullFrame-210x260px/dev/01April-0/1/*.png", "gloss": "A  B", "signer": "S"}],
    )
    corpus = prepare(source, said)
    assert (corpus.rows.id(0), corpus.rows.split(0)) == ("01April-0", "dev")
    assert corpus.labels(0) == ["A", "B"]


def test_whole_signers_may_be_held_out(tmp_path):
    source = write(tmp_path / "a.pkl", {f"{i:02}_0001": keypoints(86, 2) for i in range(10)})
    table = tmp_path / "labels.csv"
    rows = "".join(f"{i:02}_0001|A|s{i % 5}\n" for i in range(10))
    table.write_text(f"id|gloss|signer\n{rows}")
    corpus = prepare(source, table, share=DevShare(by_signer=True))
    of_split = {"train": set(), "dev": set()}
    for row in range(10):
        of_split[corpus.rows.split(row)].add(corpus.rows.signer(row))
    assert len(of_split["dev"]) == 1
    assert not of_split["dev"] & of_split["train"]


def test_elan_gives_labels_and_segments(tmp_path):
    source = write(tmp_path / "a.pkl", {"talk": keypoints(86, 2, frames=60)})
    (tmp_path / "talk.eaf").write_text(
        """<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="1000"/>
        <TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="1400"/>
        <TIME_SLOT TIME_SLOT_ID="t3" TIME_VALUE="200"/></TIME_ORDER>
        <TIER TIER_ID="translation"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="t3"
        TIME_SLOT_REF2="t2"><ANNOTATION_VALUE>hello there</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>
        </ANNOTATION></TIER><TIER TIER_ID="Gloss_R" PARTICIPANT="anna">
        <ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2">
        <ANNOTATION_VALUE>WORLD</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
        <ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="t3" TIME_SLOT_REF2="t1">
        <ANNOTATION_VALUE>HELLO</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
        </ANNOTATION_DOCUMENT>""",
        encoding="utf-8",
    )
    corpus = prepare(source, tmp_path / "talk.eaf", fps=25, share=DevShare(0))
    assert (corpus.labels(0), corpus.rows.signer(0)) == (["HELLO", "WORLD"], "anna")
    assert corpus.record(0)["segments"] == [
        {"start": 5, "end": 25, "label": "HELLO"},
        {"start": 25, "end": 35, "label": "WORLD"},
    ]
    other = prepare(
        source, tmp_path / "talk.eaf", out=tmp_path / "o", tier="translation", share=DevShare(0)
    )
    assert other.labels(0) == ["hello-there"]
    of_folder = annotation_files([tmp_path])
    assert of_folder == [tmp_path / "talk.eaf"]
    assert "Give --tier, one of translation, Gloss_R" in refused(
        source, tmp_path / "talk.eaf", tier="none"
    )


# What is wrong is told.


def test_annotations_of_other_recordings_are_refused_with_names_of_both(tmp_path):
    source = write(tmp_path / "a.pkl", {"one": keypoints(86, 2)})
    (tmp_path / "b.csv").write_text("id|gloss\ntwo|A\n")
    message = refused(source, tmp_path / "b.csv")
    assert "Annotations name 'two', the source has 'one'" in message


def test_missing_recordings_are_told_once(tmp_path):
    source = write(tmp_path / "a.pkl", {"00_0000": keypoints(86, 2)})
    rows = "".join(f"00_{i:04}|A\n" for i in range(9))
    (tmp_path / "train.csv").write_text(f"id|gloss\n{rows}")
    message = refused(source, tmp_path / "train.csv")
    assert "8 problems" in message
    assert "train.csv:3: 00_0001: " in message
    assert "has no recording named '00_0001' (and 7 like it" in message
    assert len(message.splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": np.zeros((4, 50, 3), "f4")}, "has 50 points with 3 values each"),
        ({"a": {"values": np.zeros((4, 133, 3))}}, "has no keypoints, keypoint, sign"),
        ([1, 2], "holds list; needed is a dictionary"),
        ({"a": np.zeros((0, 133, 3), "f4")}, "has no frames"),
        ({"a": {"keypoints": [np.zeros((0, 133, 2))], "scores": []}}, "1 frames of points, but 0"),
    ],
)
def test_a_pickle_of_something_else_is_refused(tmp_path, content, words):
    assert words in refused(write(tmp_path / "a.pkl", content))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pose_keypoints_2d": [1.0] * 54}, "pose_keypoints_2d has 54 numbers"),
        ({"pose_keypoints_2d": ["x"] * 75}, "something that is no number"),
    ],
)
def test_a_damaged_frame_of_openpose_is_told_with_its_file(tmp_path, change, words):
    folder = tmp_path / "json" / "clip"
    folder.mkdir(parents=True)
    person = {"pose_keypoints_2d": [float(i + 1) for i in range(75)]}
    for number, keys in enumerate([person, {**person, **change}]):
        name = f"clip_{number:012}_keypoints.json"
        (folder / name).write_text(json.dumps({"people": [keys]}))
    message = refused(tmp_path / "json")
    assert "clip_000000000001_keypoints.json" in message
    assert words in message


def test_a_frame_of_openpose_without_a_file_is_absent_and_told(tmp_path):
    folder = tmp_path / "json" / "clip"
    folder.mkdir(parents=True)
    person = {"pose_keypoints_2d": [float(i + 1) for i in range(75)]}
    for number in (3, 4, 6):
        name = f"clip_{number:012}_keypoints.json"
        (folder / name).write_text(json.dumps({"people": [person]}))
    listing = list_keypoints(tmp_path / "json")
    assert listing.notes == ["1 frames have no file, nothing is present in them: clip 5"]
    corpus = built(listing, tmp_path / "corpus")
    assert corpus.presence(0)[:, 0].tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"frame": [0, 1]}, "has no column x_pose_0"),
        (
            {
                "frame": [0],
                "type": ["foot"],
                "landmark_index": [0],
                "x": [0.1],
                "y": [0.1],
                "z": [0.1],
            },
            "`type` is 'foot'",
        ),
        (
            {
                "frame": [0],
                "type": ["pose"],
                "landmark_index": [40],
                "x": [0.1],
                "y": [0.1],
                "z": [0.1],
            },
            "landmark_index of pose goes from 40",
        ),
    ],
)
def test_parquet_of_something_else_is_told(tmp_path, columns, words):
    folder = tmp_path / "p"
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "a.parquet")
    assert words in refused(folder)


def test_a_least_score_of_points_without_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="--min_score: not all points"):
        default_missing("isharah", NAMED_LAYOUTS["isharah"](), 0.5)


@pytest.mark.parametrize("key", ["scores", "keypoint_score"])
def test_scores_of_an_only_person_stay_beside_its_points(key: str) -> None:
    points, scores = np.random.default_rng(0).random((1, 5, 133, 2)), np.full((1, 5, 133), 0.5)
    found = sequence_values({"keypoint": points, key: scores})
    assert found.shape == (5, 133, 3) and (found[..., 2] == 0.5).all()
