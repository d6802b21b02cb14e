"""The file of a video's landmarks, and landmarks at other times."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from video_helpers import GREEN, color_extractor, extracted, plain, write_pictures

from slr_accel.video.landmarks import (
    STORED_LAYOUT,
    Extraction,
    Landmarks,
    ensure_landmarks,
    load_landmarks,
)


def landmarks(times: list[float], present: list[bool]) -> Landmarks:
    """Every value is its frame's number + 1; the left hand is there where `present` says."""
    presence = np.ones((len(times), len(STORED_LAYOUT.blocks)), bool)
    presence[:, STORED_LAYOUT.block_index("left_hand")] = present
    features = np.repeat(np.arange(len(times))[:, None] + 1, STORED_LAYOUT.columns, axis=1)
    features[:, STORED_LAYOUT.slices["left_hand"]] *= np.array(present)[:, None]
    return Landmarks(np.array(times), features.astype(np.float32), presence)


def test_other_times_are_interpolated_and_a_block_seen_on_one_side_is_as_the_nearer_frame() -> None:
    original = landmarks([0.0, 1.0, 3.0, 4.0], [True, True, False, False])
    result = original.at(np.array([0.0, 0.25, 1.0, 1.5, 2.5, 3.0, 4.0]))
    pose, hand = STORED_LAYOUT.slices["pose"], STORED_LAYOUT.slices["left_hand"]
    np.testing.assert_allclose(result.features[:, pose][:, 0], [1, 1.25, 2, 2.25, 2.75, 3, 4])
    np.testing.assert_allclose(result.features[:, hand][:, 0], [1, 1.25, 2, 2, 0, 0, 0])
    index = STORED_LAYOUT.block_index("left_hand")
    assert result.presence[:, index].tolist() == [True] * 4 + [False] * 3


@given(st.lists(st.tuples(st.floats(0.001, 10), st.booleans()), min_size=1, max_size=8))
def test_at_its_own_times_landmarks_are_unchanged(steps: list[tuple[float, bool]]) -> None:
    original = landmarks(list(np.cumsum([s for s, _ in steps])), [p for _, p in steps])
    result = original.at(original.times)
    np.testing.assert_array_equal(result.features, original.features)
    np.testing.assert_array_equal(result.presence, original.presence)


@pytest.fixture
def extraction(tmp_path: Path) -> Extraction:
    source = write_pictures(tmp_path / "frames", [plain(GREEN)] * 3)
    return Extraction(source, tmp_path / "s1.safetensors", mirrored=False)


def test_landmarks_are_made_once(extraction: Extraction, tmp_path: Path) -> None:
    extractor = color_extractor(tmp_path / "log")
    for _ in range(2):
        ensure_landmarks(extractor, extraction)
    assert extracted(tmp_path / "log") == 1
    assert load_landmarks(extraction.file).presence.all()


@pytest.mark.parametrize("change", ["source", "name", "option", "mirrored", "damaged file"])
def test_landmarks_are_made_anew_after_a_change(
    change: str, extraction: Extraction, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    extractor = color_extractor(log)
    ensure_landmarks(extractor, extraction)
    first = extraction.source / "frame_0000.png"
    if change == "source":
        first.write_bytes(
            (write_pictures(tmp_path / "b", [plain((9, 250, 9))]) / first.name).read_bytes()
        )
    elif change == "name":
        first.rename(extraction.source / "frame_0003.png")
    elif change == "option":
        extractor = color_extractor(log, confidence="0.9")
    elif change == "mirrored":
        extraction = Extraction(extraction.source, extraction.file, mirrored=True)
    else:
        extraction.file.write_bytes(extraction.file.read_bytes()[:100])
    for _ in range(2):
        ensure_landmarks(extractor, extraction)
    assert extracted(log) == 2


def test_a_bad_source_leaves_no_file(extraction: Extraction, tmp_path: Path) -> None:
    (extraction.source / "frame_0001.png").unlink()
    with pytest.raises(ValueError, match="1 frames are missing"):
        ensure_landmarks(color_extractor(tmp_path / "log"), extraction)
    assert not list(tmp_path.glob("*.safetensors*"))


def test_mirrored_frames_are_turned_back(tmp_path: Path) -> None:
    image = plain((0, 0, 0))
    image[:, :32] = GREEN
    source = write_pictures(tmp_path / "frames", [image])
    (frame,) = Extraction(source, tmp_path / "f", mirrored=True).frames()
    np.testing.assert_array_equal(frame.image, image[:, ::-1])
