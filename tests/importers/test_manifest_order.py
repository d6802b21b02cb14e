"""Own landmarks whose blocks stand in another order than the layout's are found out."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from manifest_helpers import prepare, refused, row
from phoenix_helpers import joined, landmarks
from prepare_helpers import built, index_of

from slr_accel.importers.manifest import list_manifest
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.runs.recordings import make_reader
from slr_accel.runs.run_folder import RunFolder, create_run

NAMED = "pose,left_hand,right_hand,face"
USUAL = "pose,face,left_hand,right_hand"


def blocks_of(number: int, confidence: bool = False) -> dict[str, np.ndarray]:
    """{block: [T, columns]} of a signed sentence, whose right hand is absent at first."""
    blocks = landmarks(number, "HELLO WORLD")
    blocks["right_hand"][:3] = 0
    if confidence:
        points = blocks["pose"].reshape(-1, 33, 3)
        seen = np.full((*points.shape[:2], 1), 0.9, np.float32)
        blocks["pose"] = np.concatenate([points, seen], axis=2).reshape(len(points), -1)
    return blocks


def index_in_order(folder: Path, order: str, confidence: bool = False) -> Path:
    for number in range(3):
        np.save(folder / f"s{number}.npy", joined(blocks_of(number, confidence), order))
    return index_of(folder, *map(row, range(3)))


@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize("order", [USUAL, "pose,right_hand,left_hand,face"])
def test_another_order_is_refused_and_the_way_out_works(folder, order, confidence):
    name = "mediapipe_holistic" + ("_confidence" if confidence else "")
    index = index_in_order(folder, order, confidence)
    message = refused(index, layout=name)
    assert f"{index}: the blocks are not in the order {NAMED}" in message
    assert "Another order fits (right_hand 0." in message
    assert f": {order}. Give --block_order {order}; or put the columns" in message
    by_option = built(
        list_manifest(index, layout=name, missing="zeros", block_order=order), folder / "by_option"
    )
    told = re.findall(r"a\[:, ?(\d+):(\d+)\]", message.partition("np.concatenate(")[2])
    for path in folder.glob("*.npy"):
        values = np.load(path)
        parts = [values[:, int(start) : int(end)] for start, end in told]
        np.save(path, np.concatenate(parts, axis=1))
    corpus = prepare(index, layout=name, missing="zeros")
    blocks = blocks_of(1, confidence)
    np.testing.assert_allclose(corpus.features(1), joined(blocks, NAMED), atol=2e-3)
    np.testing.assert_array_equal(by_option.features(1), corpus.features(1))
    present = (blocks["right_hand"] != 0).any(axis=1)
    np.testing.assert_array_equal(corpus.presence(1)[:, 2], present)


def test_a_run_remembers_the_order_of_its_arrays(folder):
    index = index_in_order(folder, USUAL)
    corpus = built(
        list_manifest(index, layout="mediapipe_holistic", missing="zeros", block_order=USUAL),
        folder / "corpus",
    )
    run = RunFolder(folder / "run")
    run.path.mkdir()
    create_run(run, corpus, micro_batches_per_step=1, mixed_precision="no")
    layout = run.path / "layout.json"
    again = built(list_manifest(index, layout=str(layout)), folder / "again")
    np.testing.assert_array_equal(again.features(1), corpus.features(1))
    reader = make_reader(corpus.layout, None, layout, None)
    read = reader.read(folder / "s1.npy")
    np.testing.assert_allclose(read.values, corpus.features(1), atol=2e-3)
    np.testing.assert_array_equal(read.presence, corpus.presence(1))
    with pytest.raises(ValueError, match="the blocks are not in the order"):
        reader.read(joined(blocks_of(1), NAMED))


def test_a_layout_file_with_another_order_is_named(folder):
    layout = mediapipe_holistic().to_json()
    (folder / "layout.json").write_text(json.dumps(layout))
    message = refused(index_in_order(folder, USUAL))
    assert f"Give --block_order {USUAL};" in message
    layout["blocks"] = [
        next(block for block in layout["blocks"] if block["name"] == name)
        for name in USUAL.split(",")
    ]
    (folder / "layout.json").write_text(json.dumps(layout))
    assert list(prepare(index_in_order(folder, USUAL)).layout.slices) == USUAL.split(",")


def own_unit(folder: Path) -> str:
    """A layout whose blocks need not be measured in one frame."""
    path = folder / "each.json"
    layout = {**mediapipe_holistic().to_json(), "units": "each block from its first point"}
    path.write_text(json.dumps(layout))
    return str(path)


def test_hands_that_are_elsewhere_in_every_order_are_no_landmarks_of_one_frame(folder):
    for number in range(3):
        blocks = blocks_of(number)
        blocks["right_hand"] += 5
        np.save(folder / f"s{number}.npy", joined(blocks, NAMED))
    index = index_of(folder, *map(row, range(3)))
    message = refused(index, layout="mediapipe_holistic")
    assert "in no order of blocks do hands and face come to where the pose has them" in message
    assert "layout.json with other `units`" in message
    assert len(prepare(index, layout=own_unit(folder)).rows) == 3


def test_blocks_that_are_normalised_each_by_itself_are_taken(folder):
    """So they meet nowhere, or by chance in some odd order."""
    for number in range(12):
        for i in range(3):
            blocks = blocks_of(3 * number + i)
            for name, values in blocks.items():
                points = values.reshape(len(values), -1, 3)
                points = (points - points.mean((0, 1))) / (points.std((0, 1)) + 1e-6)
                blocks[name] = points.reshape(values.shape)
            np.save(folder / f"s{i}.npy", joined(blocks, NAMED))
        listing = list_manifest(index_of(folder, *map(row, range(3))), layout=own_unit(folder))
        assert len(listing.items) == 3


@pytest.mark.parametrize("by_block", [False, True])
def test_all_x_then_all_y_is_refused_and_the_way_out_works(folder, by_block):
    for number in range(3):
        values = joined(blocks_of(number), NAMED)
        sizes = [33, 21, 21, 468] if by_block else [543]
        parts = np.split(values, np.cumsum([3 * size for size in sizes])[:-1], axis=1)
        turned = [p.reshape(len(p), -1, 3).transpose(0, 2, 1).reshape(len(p), -1) for p in parts]
        np.save(folder / f"s{number}.npy", np.concatenate(turned, axis=1))
    index = index_of(folder, *map(row, range(3)))
    message = refused(index, layout="mediapipe_holistic")
    assert "the columns are not x, y, z of one point after the other" in message
    if not by_block:
        told = re.search(r"a\.reshape\(len\(a\), 3, -1\).*?reshape\(len\(a\), -1\)", message)[0]
        for path in sorted(folder.glob("s*.npy")):
            np.save(path, eval(told, {"a": np.load(path), "len": len}))
        corpus = prepare(index, layout="mediapipe_holistic", missing="zeros")
        np.testing.assert_allclose(corpus.features(1), joined(blocks_of(1), NAMED), atol=2e-3)


def test_an_order_that_swaps_the_hands_is_never_advised(folder):
    """The left hand and the left wrist of the pose are never seen."""
    for number in range(3):
        blocks = blocks_of(number)
        blocks["pose"][:, 15 * 3 : 16 * 3] = np.nan
        blocks["left_hand"][:] = np.nan
        blocks["right_hand"][:3] = np.nan
        np.save(folder / f"s{number}.npy", joined(blocks, USUAL))
    index = index_of(folder, *map(row, range(3)))
    message = refused(index, layout="mediapipe_holistic", missing="nan")
    assert f": {USUAL}. Give --block_order {USUAL};" in message


def test_where_nothing_tells_the_hands_apart_no_order_is_advised(folder):
    for number in range(3):
        blocks = blocks_of(number)
        blocks["pose"][:, 15 * 3 : 17 * 3] = np.nan
        np.save(folder / f"s{number}.npy", joined(blocks, "face,left_hand,right_hand,pose"))
    index = index_of(folder, *map(row, range(3)))
    message = refused(index, layout="mediapipe_holistic", missing="nan")
    assert "face,right_hand,left_hand,pose fits as well" in message
    assert "np.concatenate" not in message


def test_arrays_that_cannot_be_read_are_told_with_their_lines(folder):
    index = index_in_order(folder, NAMED)
    np.save(folder / "s1.npy", np.zeros((4, 7)))
    (folder / "s2.npy").unlink()
    message = refused(index, layout="mediapipe_holistic")
    assert "index.jsonl:2: s1: " in message
    assert "index.jsonl:3: s2: " in message
