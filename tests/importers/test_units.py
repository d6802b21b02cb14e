"""x and y have one unit where the frame's size is known, and what was never there is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from manifest_helpers import prepare, refused, row
from phoenix_helpers import joined, landmarks
from prepare_helpers import built, index_of, points_of

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.importers.manifest import list_manifest
from slr_accel.inspection.inspect_corpus import inspect_corpus
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.layouts.units import FRACTION, HEIGHT, have_other_units
from slr_accel.progress import untracked

ORDER = "pose,left_hand,right_hand,face"
SIZES = ((1280, 720), (720, 1280))


def pixels(number: int, size: tuple[int, int]) -> np.ndarray:
    """[T, 1629]: a signer of 640 x 480 pixels in the middle of a frame; z in widths of it."""
    values = joined(landmarks(number, "HELLO WORLD"), ORDER)
    points = values.reshape(len(values), -1, 3)
    points[points.any(axis=2), 2] *= 640
    absent = ~points.any(axis=2)
    points[..., :2] *= (640, 480)
    points[..., :2] += ((size[0] - 640) / 2, (size[1] - 480) / 2)
    points[absent] = 0
    return values


def fractions(number: int, size: tuple[int, int]) -> np.ndarray:
    values = pixels(number, size)
    return (values.reshape(len(values), -1, 3) / (size[0], size[1], size[0])).reshape(values.shape)


def index_with_sizes(folder: Path, form, count: int = 6, **changes) -> Path:
    """Sequences 2n and 2n + 1 are one recording in landscape and in portrait."""
    rows = []
    for number in range(count):
        size = SIZES[number % 2]
        np.save(folder / f"s{number}.npy", form(number // 2, size))
        rows.append(row(number, frame_size=f"{size[0]}x{size[1]}", **changes))
    return index_of(folder, *rows)


def in_body_units(corpus: Corpus, number: int) -> np.ndarray:
    points = points_of(corpus, number, "pose")[..., :2]
    shoulders = points[:, [11, 12]]
    width = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1)
    return (points - shoulders.mean(axis=1, keepdims=True)) / width[:, None, None]


def codes(corpus: Corpus) -> dict[str, str]:
    found = inspect_corpus(corpus, track=untracked)["findings"]
    return {finding["code"]: finding["severity"] for finding in found}


@pytest.mark.parametrize("form", [pixels, fractions])
def test_a_body_has_one_shape_in_landscape_and_in_portrait(folder, form):
    index = index_with_sizes(folder, form)
    corpus = prepare(index, layout="mediapipe_holistic", missing="zeros")
    assert corpus.layout.units == HEIGHT
    assert corpus.info.source["frame_sizes"] == {"1280x720": 3, "720x1280": 3}
    for number in range(0, 6, 2):
        landscape, portrait = (in_body_units(corpus, number + i) for i in range(2))
        np.testing.assert_allclose(portrait, landscape, atol=5e-3)
    depth = points_of(corpus, 0, "face")[..., 2] * 720, points_of(corpus, 1, "face")[..., 2] * 1280
    np.testing.assert_allclose(*depth, atol=1)
    assert codes(corpus)["frame_sizes"] == "warning"
    assert "squeezed_bodies" not in codes(corpus)


def test_without_sizes_squeezed_bodies_are_told(folder):
    index = index_with_sizes(folder, fractions)
    text = index.read_text().replace('"frame_size"', '"size"')
    index.write_text(text)
    corpus = prepare(index, layout="mediapipe_holistic", missing="zeros")
    assert corpus.layout.units == FRACTION
    assert codes(corpus)["squeezed_bodies"] == "warning"


def test_pixels_need_the_frames_size(folder):
    index = index_with_sizes(folder, pixels)
    index.write_text(index.read_text().replace('"frame_size"', '"size"'))
    message = refused(index, layout="mediapipe_holistic", missing="zeros")
    assert "the coordinates are pixels" in message
    assert "--frame_size WIDTHxHEIGHT" in message


def test_rows_without_a_size_among_others_are_told(folder):
    index = index_with_sizes(folder, pixels, count=2)
    first, second = index.read_text().splitlines()
    index.write_text(first + "\n" + second.replace('"frame_size"', '"size"') + "\n")
    assert ":2: has no `frame_size`, but others have" in refused(index, layout="mediapipe_holistic")


@pytest.mark.parametrize("size", ["1280", "0x720", "axb", [1280], "1280x"])
def test_what_is_no_size_is_told_with_its_line(folder, size):
    np.save(folder / "s0.npy", np.ones((3, 2)))
    assert ":1: `frame_size` is " in refused(index_of(folder, row(0, frame_size=size)))


def test_a_layout_in_heights_needs_the_size_of_new_recordings(folder):
    path = folder / "run.json"
    path.write_text(json.dumps({**mediapipe_holistic().to_json(), "units": HEIGHT}))
    np.save(folder / "s0.npy", fractions(0, SIZES[0]))
    index = index_of(folder, row(0))
    assert "or --frame_size 1x1" in refused(index, layout=str(path), missing="zeros")
    listing = list_manifest(index, layout=str(path), missing="zeros", frame_size="1280x720")
    corpus = built(listing, folder / "corpus")
    x = points_of(corpus, 0, "pose")[..., 0]
    np.testing.assert_allclose(x, pixels(0, SIZES[0])[:, :99:3] / 720, atol=2e-3)


def test_units_that_a_scale_makes_equal_agree_and_fractions_do_not():
    def layout(units: str, **changes):
        return type(mediapipe_holistic())(
            mediapipe_holistic().blocks, scale=mediapipe_holistic().scale, units=units, **changes
        )

    assert have_other_units(layout(FRACTION), layout(HEIGHT))
    assert not have_other_units(layout("pixel"), layout(HEIGHT))
    assert not have_other_units(layout("unknown"), layout(FRACTION))
    without = type(mediapipe_holistic())(mediapipe_holistic().blocks, units="pixel")
    assert have_other_units(without, type(without)(without.blocks, units=HEIGHT))


# What was never there.


@pytest.mark.parametrize("missing", ["none", "zeros"])
def test_a_block_of_zeros_in_every_frame_is_refused_by_name(folder, missing):
    blocks = landmarks(0, "HELLO")
    blocks["face"][:] = 0
    np.save(folder / "s0.npy", joined(blocks, ORDER))
    index = index_of(folder, row(0))
    message = refused(index, layout="mediapipe_holistic", missing=missing)
    assert "block face: absent from every frame of every sequence" in message
    listing = list_manifest(index, layout="mediapipe_holistic", missing=missing)
    assert len(built(listing, folder / "corpus", allow_absent=["face"]).rows) == 1


def test_an_unknown_block_is_not_allowed_to_be_absent(folder):
    np.save(folder / "s0.npy", np.ones((3, 2)))
    listing = list_manifest(index_of(folder, row(0)))
    with pytest.raises(ValueError, match="--allow_absent names 'hand'; the blocks are features"):
        built(listing, folder / "out" / "corpus", allow_absent=["hand"])


def test_generic_columns_that_are_never_there_are_refused_by_name(folder):
    values = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    values[:, [1, 2, 5]] = np.nan
    np.save(folder / "s0.npy", values)
    message = refused(index_of(folder, row(0)), missing="nan")
    assert "block features: 3 of its 6 columns are absent from every frame" in message
    assert "1-2, 5" in message
    values[:] = np.nan
    np.save(folder / "s0.npy", values)
    message = refused(index_of(folder, row(0)), missing="nan")
    assert "block features: absent from every frame of every sequence" in message


@pytest.mark.parametrize("missing", ["none", "zeros"])
def test_a_sequence_without_the_unit_of_length_is_refused_or_left_out(folder, missing):
    for number in range(2):
        blocks = landmarks(number, "HELLO")
        if number:
            blocks["pose"][:] = 0
        np.save(folder / f"s{number}.npy", joined(blocks, ORDER))
    index = index_of(folder, row(0), row(1))
    message = refused(index, layout="mediapipe_holistic", missing=missing)
    assert ":2: s1: the " in message
    assert "pose.left_shoulder and pose.right_shoulder" in message
    listing = list_manifest(index, layout="mediapipe_holistic", missing=missing)
    assert len(built(listing, folder / "corpus", allow_skips=True).rows) == 1


def test_a_pose_of_unmarked_zeros_in_some_frames_is_refused(folder):
    """Absence is marked by NaN elsewhere."""
    blocks = landmarks(0, "HELLO")
    blocks["pose"][:20] = 0
    blocks["left_hand"][:] = np.nan
    np.save(folder / "s0.npy", joined(blocks, ORDER))
    message = refused(index_of(folder, row(0)), layout="mediapipe_holistic", missing="nan")
    assert "are at one place in 20 of the " in message
    assert "as where zeros mark absence" in message


def test_points_never_seen_are_told(folder):
    for number in range(2):
        blocks = landmarks(number, "HELLO")
        blocks["pose"][:, 25 * 3 : 33 * 3] = 0
        np.save(folder / f"s{number}.npy", joined(blocks, ORDER))
    index = index_of(folder, row(0), row(1))
    corpus = prepare(index, layout="mediapipe_holistic", missing="zeros")
    assert corpus.info.source["never_seen"] == [
        f"pose.{name}" for name in corpus.layout.block("pose").points[25:]
    ]
    assert codes(corpus)["never_seen"] == "note"
    assert codes(open_corpus(corpus.folder))["never_seen"] == "note"
