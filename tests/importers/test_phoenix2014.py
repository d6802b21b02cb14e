"""A PHOENIX-2014 release and landmarks become a corpus, whatever order their columns have."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from phoenix_helpers import (
    HEADER_2014,
    SENTENCES,
    SIZES,
    Sentence,
    joined,
    landmarks,
    with_derived,
    write_2014,
    write_features,
)
from prepare_helpers import built, half_step

from slr_accel.importers.build import build_corpus
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.merge import list_parts
from slr_accel.importers.phoenix2014 import list_phoenix2014
from slr_accel.progress import untracked

BROKEN = "13April_2011_Wednesday_tagesschau_default-14"
FIRST = SENTENCES[0].id
TRAIN = Path("phoenix-2014-multisigner", "annotations", "manual", "train.corpus.csv")


@pytest.fixture(scope="module")
def blocks() -> dict[str, dict[str, np.ndarray]]:
    """{id: {block: [T, columns]}}; the first has no left hand in frames 2 to 4."""
    made = {s.id: landmarks(i, s.glosses) for i, s in enumerate(SENTENCES)}
    made[FIRST]["left_hand"][2:5] = 0
    made[FIRST]["right_hand"][2:5] = made[FIRST]["right_hand"].max(axis=0)
    return made


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_2014(tmp_path / "phoenix2014-release", SENTENCES)


@pytest.fixture
def features(tmp_path: Path, blocks) -> Path:
    """Base values of every sentence, pose, face, left hand, right hand."""
    return write_features(
        tmp_path / "features", {(s.split, s.id): joined(blocks[s.id]) for s in SENTENCES}
    )


def refused(release: Path, features: Path, **options) -> str:
    """The message of the ValueError that preparing must raise, having written nothing."""
    out = release.parent / "out"
    with pytest.raises(ValueError) as error:
        built(list_phoenix2014(release, features, **options), out)
    assert not out.exists()
    return str(error.value)


# What a good release becomes.


def test_values_presence_and_labels_are_those_of_the_files(release, features, blocks, tmp_path):
    corpus = built(list_phoenix2014(release, features), tmp_path / "out")
    assert corpus.info.frames_per_second == 25
    assert list(corpus.info.splits) == ["train", "dev", "test"]
    for row, sentence in enumerate(SENTENCES):
        record = corpus.record(row)
        assert record["id"] == sentence.id
        assert record["split"] == sentence.split
        assert record["signer"] == sentence.signer
        assert record["labels"] == sentence.glosses.split()
        # Read from the format's definition: which columns of the file each block has.
        stored = np.load(features / sentence.split / f"{sentence.id}.npy")
        starts = dict(zip(SIZES, np.cumsum([0, *SIZES.values()]), strict=False))
        for index, block in enumerate(corpus.layout.blocks):
            expected = stored[:, starts[block.name] : starts[block.name] + SIZES[block.name]]
            found = corpus.features(row)[:, corpus.layout.slices[block.name]]
            half_a_step = half_step(expected, corpus.info.dtype)
            assert (np.abs(found.astype(np.float64) - expected) <= half_a_step).all()
            present = (expected != 0).any(axis=1)
            np.testing.assert_array_equal(corpus.presence(row)[:, index], present)


def test_absent_hands_are_absent_not_positions_at_zero(release, features, tmp_path):
    corpus = built(list_phoenix2014(release, features), tmp_path / "out")
    left, right = (corpus.layout.block_index(name) for name in ("left_hand", "right_hand"))
    assert not corpus.presence(0)[2:5, left].any()
    assert corpus.presence(0)[2:5, right].all()
    assert corpus.info.source["missing"] == dict.fromkeys(corpus.layout.slices, "zeros")


def test_nan_marks_absence_where_that_is_declared(release, features, blocks, tmp_path):
    marked = blocks[FIRST] | {"left_hand": blocks[FIRST]["left_hand"].copy()}
    marked["left_hand"][2:5] = np.nan
    np.save(features / "train" / f"{FIRST}.npy", joined(marked))
    assert "block left_hand has NaN, the first in frame 2" in refused(release, features)
    corpus = built(list_phoenix2014(release, features, missing="nan"), tmp_path / "out")
    left = corpus.layout.block_index("left_hand")
    np.testing.assert_array_equal(np.flatnonzero(~corpus.presence(0)[:, left]), [2, 3, 4])
    assert np.isfinite(corpus.features(0)).all()


@pytest.mark.parametrize(
    "order", ["pose,left_hand,right_hand,face", "face,right_hand,left_hand,pose"]
)
def test_another_declared_order_gives_the_same_corpus(release, features, blocks, tmp_path, order):
    usual = built(list_phoenix2014(release, features), tmp_path / "usual")
    arrays = {(s.split, s.id): joined(blocks[s.id], order) for s in SENTENCES}
    other = write_features(tmp_path / "other", arrays)
    corpus = built(list_phoenix2014(release, other, block_order=order), tmp_path / "out")
    for row in range(len(SENTENCES)):
        np.testing.assert_array_equal(corpus.features(row), usual.features(row))


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_of_6516_values_the_positions_are_kept_and_the_rest_is_named(
    release, features, blocks, tmp_path, dtype
):
    usual = built(list_phoenix2014(release, features), tmp_path / "usual")
    arrays = {(s.split, s.id): with_derived(joined(blocks[s.id])).astype(dtype) for s in SENTENCES}
    large = write_features(tmp_path / "large", arrays)
    corpus = built(list_phoenix2014(release, large), tmp_path / "out")
    for row in range(len(SENTENCES)):
        expected = usual.features(row).astype(dtype)
        np.testing.assert_array_equal(corpus.features(row), expected)
    assert corpus.info.source["arrays"]["groups"] == [
        "positions",
        "velocity (from the frame before)",
        "acceleration (from two frames before)",
        "copy of the positions",
    ]
    assert any("4 copy of the positions; group 1 is kept" in n for n in corpus.info.source["notes"])


def test_npz_is_read_with_one_array_or_one_called_features(release, features, tmp_path):
    usual = built(list_phoenix2014(release, features), tmp_path / "usual")
    for number, sentence in enumerate(SENTENCES):
        path = features / sentence.split / f"{sentence.id}.npy"
        array = np.load(path)
        masks = {"features": array, "detection_masks": np.ones((len(array), 543), bool)}
        np.savez(path.with_suffix(".npz"), **(masks if number % 2 else {"arr_0": array}))
        path.unlink()
    corpus = built(list_phoenix2014(release, features), tmp_path / "out")
    for row in range(len(SENTENCES)):
        np.testing.assert_array_equal(corpus.features(row), usual.features(row))


def test_windows_line_ends_and_byte_order_marks_change_nothing(features, tmp_path):
    release = write_2014(tmp_path / "windows", SENTENCES, line_end="\r\n")
    path = release / TRAIN
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    corpus = built(list_phoenix2014(release, features), tmp_path / "out")
    assert [corpus.labels(row) for row in range(3)] == [s.glosses.split() for s in SENTENCES[:3]]


@pytest.mark.parametrize("inner", ["", "phoenix-2014-multisigner"])
def test_the_release_or_the_folder_in_it_can_be_given(release, features, inner):
    listing = list_phoenix2014(release / inner, features)
    assert [item.id for item in listing.items] == [s.id for s in SENTENCES]


def test_a_partition_is_taken_by_name_or_where_it_is_the_only_one(release, features, tmp_path):
    write_2014(release, SENTENCES[2:], si5=True)
    alone = write_2014(tmp_path / "alone", SENTENCES[2:], si5=True)
    assert list_phoenix2014(release, features).source["partition"] == "multisigner"
    for root, partition in ((release, "si5"), (alone, None)):
        listing = list_phoenix2014(root, features, partition=partition)
        assert listing.source["partition"] == "si5"
        assert [item.id for item in listing.items] == [s.id for s in SENTENCES[2:]]


def test_merged_shards_are_the_corpus_one_machine_makes(release, features, tmp_path):
    whole = built(list_phoenix2014(release, features), tmp_path / "whole")
    for index in range(2):
        listing = list_phoenix2014(release, features)
        build_corpus(listing, tmp_path / "out", part=Part(index, 2), track=untracked)
    merged = built(list_parts(tmp_path / "out"), tmp_path / "out")
    for file in (path.name for path in whole.folder.iterdir()):
        assert (merged.folder / file).read_bytes() == (whole.folder / file).read_bytes()


# What is said of a release that is not whole.


def test_the_broken_sequence_is_left_out_and_said(release, features, tmp_path):
    sentences = [*SENTENCES, Sentence(BROKEN, "train", "Signer07", "WOLKE REGEN")]
    write_2014(release, sentences)
    np.save(features / "train" / f"{BROKEN}.npy", np.zeros((5, 3)))
    corpus = built(list_phoenix2014(release, features), tmp_path / "out")
    assert BROKEN not in corpus.rows.ids.to_pylist()
    said = [note for note in corpus.info.source["notes"] if BROKEN in note]
    assert len(said) == 1 and "train.corpus.csv:5" in said[0]


def test_counts_other_than_the_release_and_spare_arrays_are_notes(release, features, tmp_path):
    for name in ("spare-1", "spare-2"):
        np.save(features / "dev" / f"{name}.npy", np.zeros((5, 3)))
    corpus = built(list_phoenix2014(release, features), tmp_path / "out")
    notes = "\n".join(corpus.info.source["notes"])
    assert "train.corpus.csv: 3 annotations; the release has 5,672" in notes
    assert "dev.corpus.csv: 1 annotations; the release has 540" in notes
    assert "dev: 2 without an annotation, not read: spare-1.npy, spare-2.npy" in notes


def test_missing_features_are_problems_that_can_be_skipped(release, features, tmp_path):
    (features / "train" / f"{FIRST}.npy").rename(features / "dev" / f"{FIRST}.npy")
    (features / "test" / f"{SENTENCES[-1].id}.npy").unlink()
    message = refused(release, features)
    assert f"train.corpus.csv:2: {FIRST}: no features" in message
    assert "is in the folder of another split" in message
    assert f"test.corpus.csv:2: {SENTENCES[-1].id}: no features" in message
    assert "--allow_skips" in message
    corpus = built(list_phoenix2014(release, features), tmp_path / "out", allow_skips=True)
    assert corpus.rows.ids.to_pylist() == [s.id for s in SENTENCES[1:-1]]
    assert len(corpus.info.source["skipped"]) == 2


# What is refused.


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        ("pose,left_hand,right_hand,face", "pose,face,left_hand,right_hand"),
        ("pose,face,left_hand,right_hand", "pose,face,right_hand,left_hand"),
        ("pose,face,left_hand,right_hand", "left_hand,right_hand,pose,face"),
    ],
)
def test_a_wrong_order_is_refused_with_the_right_one(release, blocks, tmp_path, declared, stored):
    arrays = {(s.split, s.id): joined(blocks[s.id], stored) for s in SENTENCES}
    features = write_features(tmp_path / "features", arrays)
    message = refused(release, features, block_order=declared)
    assert f"the blocks are not in the order {declared}" in message
    assert f"--block_order {stored}" in message


def test_an_order_must_name_each_block_once(release, features):
    assert "name each of pose" in refused(release, features, block_order="pose,face,left_hand")
    assert "name each of pose" in refused(release, features, block_order="pose,face,hands,hands")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (1662, "its pose has the visibility"),
        (1659, "its face is refined, 478 points"),
        (6636, "its face is refined, 478 points"),
        (1692, "visibility beside x, y and z, and its face is refined"),
        (225, "has 225 values a frame, not 1629 or 6516"),
    ],
)
def test_other_widths_are_named(release, features, columns, message):
    for path in features.glob("*/*.npy"):
        np.save(path, np.ones((4, columns), np.float32))
    said = refused(release, features)
    assert f"has {columns} values a frame" in said and message in said


def test_arrays_without_positions_are_refused(release, blocks, tmp_path):
    for name, change in {
        "velocity": lambda base: np.diff(base, axis=0),
        "standardised": lambda base: (base - base.mean(0)) / (base.std(0) + 1e-8),
        "relative": relative,
    }.items():
        arrays = {(s.split, s.id): change(joined(blocks[s.id])) for s in SENTENCES}
        features = write_features(tmp_path / name, arrays)
        assert "not positions of MediaPipe Holistic" in refused(release, features), name
        doubled = {key: np.tile(array, 4) for key, array in arrays.items()}
        features = write_features(tmp_path / f"{name} four times", doubled)
        assert "all of the 4 groups are not positions" in refused(release, features), name


def relative(base: np.ndarray) -> np.ndarray:
    """Each block from a point of its own: nothing says any more where hands and face are."""
    parts = np.split(base, np.cumsum(list(SIZES.values()))[:-1], axis=1)
    parts = [part.reshape(len(base), -1, 3) for part in parts]
    own = dict(zip(SIZES, (11, 1, 0, 0), strict=True))
    centred = [
        (part - part[:, [point]]) * part.any(axis=(1, 2), keepdims=True)
        for part, point in zip(parts, own.values(), strict=True)
    ]
    return np.concatenate([part.reshape(len(base), -1) for part in centred], axis=1)


def test_pixels_are_refused(release, features):
    for path in features.glob("*/*.npy"):
        np.save(path, np.load(path) * np.tile([210, 260, 210], 543))
    assert "divide x and z by the frame's width" in refused(release, features)


def test_one_odd_array_is_that_sequences_problem(release, features, tmp_path):
    np.save(features / "train" / f"{FIRST}.npy", np.ones((5, 1662)))
    (features / "dev" / f"{SENTENCES[3].id}.npy").write_bytes(b"no array")
    path = features / "test" / f"{SENTENCES[4].id}.npy"
    np.save(path, with_derived(np.load(path)))
    message = refused(release, features)
    assert "train.corpus.csv:2" in message and "visibility" in message
    assert "dev.corpus.csv:2" in message and "not readable" in message
    assert "has 6516 values a frame, but others have 1629" in message
    corpus = built(list_phoenix2014(release, features), tmp_path / "out", allow_skips=True)
    assert len(corpus.rows) == 2


def test_unreadable_arrays_throughout_are_told_as_one(release, features):
    for path in features.glob("*/*.npy"):
        path.write_bytes(b"no array")
    message = refused(release, features)
    assert "5 problems" in message and message.count("not readable") == 1
    assert "(and 4 like it, up to " in message


def test_objects_are_never_unpickled(release, features):
    np.save(features / "train" / f"{FIRST}.npy", np.array([{}], object), allow_pickle=True)
    assert "never unpickled" in refused(release, features)


def test_an_npz_of_several_arrays_says_which_is_wanted(release, features):
    path = features / "train" / f"{FIRST}.npy"
    path.unlink()
    np.savez(path.with_suffix(".npz"), pose=np.ones((4, 99)), face=np.ones((4, 1404)))
    message = refused(release, features)
    assert "holds face, pose; needed is one array, or one called `features`" in message


def test_all_that_is_wrong_with_annotations_is_told_at_once(release, features):
    path = release / TRAIN
    lines = path.read_text().splitlines()
    lines[2] = lines[2].rpartition("|")[0]
    lines.append(lines[1])
    lines.append("|folder|Signer01|WARM")
    path.write_text("\n".join(lines))
    (path.parent / "dev.corpus.csv").write_text("id,folder,signer,annotation\na,b,c,d\n")
    (path.parent / "test.corpus.csv").write_bytes(f"{HEADER_2014}\na|b|c|S\xdcD\n".encode("latin1"))
    np.savez(features / "train" / f"{SENTENCES[2].id}.npz", np.ones((4, 1629)))
    np.save(features / "dev" / f"{FIRST}.npy", np.ones((4, 1629)))
    message = refused(release, features)
    assert "train.corpus.csv:3: 3 cells, but the header has 4" in message
    assert f"train.corpus.csv:5: id '{FIRST}' was used at" in message
    assert "train.corpus.csv:6: `id` is empty" in message
    assert "dev.corpus.csv:1: the header is 'id,folder,signer,annotation'" in message
    assert "test.corpus.csv:2: not UTF-8 text" in message and "iconv" in message
    twice = f"{SENTENCES[2].id} has its features twice, in train/{SENTENCES[2].id}.npy and train/"
    assert f"train.corpus.csv:4: {twice}" in message
    assert f"train.corpus.csv:2: {FIRST} has its features twice, in train/" in message


def test_missing_files_and_columns_are_named(release, features):
    folder = (release / TRAIN).parent
    (folder / "train.corpus.csv").write_text("id|folder|annotation\na|b|c\n")
    (folder / "dev.corpus.csv").unlink()
    (folder / "test.corpus.csv").write_text(f"{HEADER_2014}\n")
    message = refused(release, features)
    assert "train.corpus.csv:1: the header is 'id|folder|annotation', without signer" in message
    assert "dev.corpus.csv: not readable (No such file or directory)" in message
    assert "test.corpus.csv: has no annotations below its header" in message


def test_folders_that_are_none_are_named(release, features, tmp_path):
    assert "holds no annotations; give the folder with" in refused(features, features)
    assert "SI5.corpus.csv" in refused(release, features, partition="si5")
    assert "has no folder train or dev or test" in refused(release, release)
    assert "has no folder train" in refused(release, tmp_path / "nowhere")


# The whole release.


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("si5", "counts"),
    [
        (False, {"train": 5671, "dev": 540, "test": 629}),
        (True, {"train": 4375, "dev": 111, "test": 180}),
    ],
)
def test_the_whole_release_is_listed_without_a_note_on_counts(shared_data, tmp_path, si5, counts):
    index = (shared_data / "phoenix2014" / "index.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in index.splitlines()]
    rows = [row for row in rows if row["si5"] or not si5]
    sentences = [Sentence(r["id"], r["split"], r["signer"], r["raw"]) for r in rows]
    sentences.append(Sentence(BROKEN, "train", "Signer07", "WOLKE"))
    release = write_2014(tmp_path / "release", sentences, si5=si5)
    have = [s for i, s in enumerate(sentences[:-1]) if i % 400 == 0]
    arrays = {(s.split, s.id): joined(landmarks(i, s.glosses)) for i, s in enumerate(have)}
    features = write_features(tmp_path / "features", arrays)
    listing = list_phoenix2014(release, features)
    assert len(listing.items) == sum(counts.values())
    said = [note for note in listing.notes if BROKEN not in note]
    have_of = {split: sum(s.split == split for s in have) for split in counts}
    assert said == [
        f"{features / split}: features of {have_of[split]} of {count:,} annotations"
        for split, count in counts.items()
    ]
    corpus = built(listing, tmp_path / "out", allow_skips=True)
    assert corpus.rows.ids.to_pylist() == [s.id for s in have]
    assert [corpus.labels(i) for i in range(len(have))] == [s.glosses.split() for s in have]
    assert len(corpus.info.source["skipped"]) == len(sentences) - 1 - len(have)


def test_the_command_shows_notes_and_names_the_next(release, features, tmp_path):
    command = ["slr-accel", "prepare", "phoenix2014", "--release", release, "--features", features]
    done = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "out")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "note: " in done.stderr and "the release has 5,672" in done.stderr
    assert "3 train, 1 dev, 1 test sequences" in done.stdout
    assert "slr-accel inspect" in done.stdout
