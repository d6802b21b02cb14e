"""MediaPipe Holistic on real videos, against calling it by hand."""

from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import built

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.video import list_video
from slr_accel.layouts.named_layouts import mediapipe_holistic

holistic = pytest.importorskip(
    "mediapipe.python.solutions.holistic",
    reason="the extra `video` is not installed (mediapipe needs numpy 1.26)",
)
av = pytest.importorskip("av")
pytestmark = pytest.mark.slow

LAYOUT = mediapipe_holistic(confidence=True)
CLIP, OTHER = "doctor_001.mp4", "yo_001.mp4"
FPS = 25.0


def prepared(folder: Path, *videos: Path, name: str = "c", **options) -> Corpus:
    from slr_accel.video.holistic import holistic as extractor

    rows = "".join(f"{number},train,,{video},A\n" for number, video in enumerate(videos))
    (folder / "index.csv").write_text("id,split,signer,video,labels\n" + rows)
    listing = list_video(
        folder / "index.csv", work=folder / f"{name}.landmarks", extractor=extractor(), **options
    )
    return built(listing, folder / name)


@pytest.fixture(scope="module")
def clips() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "formats" / "video"
    if not folder.is_dir():
        pytest.skip(f"the real data is not on this machine ({folder} is absent)")
    return folder


@pytest.fixture(scope="module")
def corpus(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Two clips, one after the other in one process."""
    folder = tmp_path_factory.mktemp("video")
    return prepared(folder, clips / OTHER, clips / CLIP, workers=1, fps=FPS)


def by_hand(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """([T] seconds, {block: [T, points, 3 or 4]}, NaN where absent)."""
    points = {"pose": 33, "left_hand": 21, "right_hand": 21, "face": 468}
    times: list[float] = []
    found: dict[str, list] = {name: [] for name in points}
    with holistic.Holistic(model_complexity=1) as model, av.open(path) as container:
        for frame in container.decode(video=0):
            times.append(float(frame.pts * frame.time_base))
            result = model.process(np.asarray(frame.to_image()))
            for name, count in points.items():
                list_of_points = getattr(result, f"{name}_landmarks")
                axes = 4 if name == "pose" else 3
                values = np.full((count, axes), np.nan)
                if list_of_points is not None:
                    shape = frame.width / frame.height  # all axes are in heights
                    for row, point in zip(values, list_of_points.landmark, strict=True):
                        places = (shape * point.x, point.y, shape * point.z)
                        row[:] = (*places, point.visibility)[:axes]
                found[name].append(values)
    return np.array(times), {name: np.array(values) for name, values in found.items()}


def points_of(corpus: Corpus, row: int, block: str) -> tuple[np.ndarray, np.ndarray]:
    """([T, points, axes], [T] present)"""
    own = corpus.layout.block(block)
    values = corpus.features(row)[:, corpus.layout.slices[block]].astype(np.float64)
    present = corpus.presence(row)[:, corpus.layout.block_index(block)]
    return values.reshape(len(values), len(own.points), len(own.axes)), present


@pytest.mark.real_data
def test_values_are_mediapipes_interpolated_in_time(clips: Path, corpus: Corpus) -> None:
    """Also: a clip extracted after another in the same process is as one extracted alone."""
    seconds, found = by_hand(clips / CLIP)
    times = np.arange(corpus.rows.frames[1]) / FPS
    assert times[-1] <= seconds[-1] - seconds[0] < times[-1] + 1 / FPS
    for block in ("pose", "left_hand", "right_hand"):
        values, present = points_of(corpus, 1, block)
        assert present.mean() > 0.9
        flat = found[block].reshape(len(seconds), -1)
        # NaN spreads to what lies between an absent and a present frame.
        expected = np.stack(
            [np.interp(times, seconds - seconds[0], column) for column in flat.T], axis=1
        ).reshape(values.shape)
        known = ~np.isnan(expected).any(axis=(1, 2))
        assert known.mean() > 0.9
        assert present[known].all()
        step = np.spacing(np.abs(expected[known]).astype(corpus.info.dtype))
        # Float32 interpolation errs by a few of its own steps.
        limit = step / 2 + 1e-6
        assert (np.abs(values[known] - expected[known]) <= limit).all(), block
    # The clips' faces are made unrecognisable.
    values, present = points_of(corpus, 1, "face")
    assert present.mean() == np.mean(~np.isnan(found["face"]).any(axis=(1, 2))) == 0
    assert not values.any()


@pytest.mark.real_data
def test_left_is_left(corpus: Corpus) -> None:
    """A hand is at its side's wrist of the pose; the signer's left is the viewer's right."""
    pose, _ = points_of(corpus, 1, "pose")
    place = {name: i for i, name in enumerate(LAYOUT.block("pose").points)}
    assert (pose[:, place["left_shoulder"], 0] > pose[:, place["right_shoulder"], 0] + 0.1).all()
    for side, other in (("left", "right"), ("right", "left")):
        hand, present = points_of(corpus, 1, f"{side}_hand")
        own, wrong = (
            np.linalg.norm(
                (pose[:, place[f"{s}_wrist"], :2] - hand[:, 0, :2])[present], axis=1
            ).mean()
            for s in (side, other)
        )
        assert own < wrong / 2


@pytest.mark.real_data
def test_the_same_video_gives_the_same_values_alone(
    clips: Path, corpus: Corpus, tmp_path: Path
) -> None:
    alone = prepared(tmp_path, clips / CLIP, workers=2, fps=FPS)
    np.testing.assert_array_equal(alone.features(0), corpus.features(1))
    np.testing.assert_array_equal(alone.presence(0), corpus.presence(1))


def portrait(folder: Path, flipped: bool = False) -> Path:
    """Three frames of matplotlib's picture of Grace Hopper: a face, shoulders, no hands."""
    from matplotlib import cbook
    from PIL import Image, ImageOps

    folder.mkdir()
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        image = Image.open(file).convert("RGB")
    for number in range(3):
        (ImageOps.mirror(image) if flipped else image).save(folder / f"{number}.png")
    return folder


def test_a_face_has_its_468_points_and_hands_out_of_sight_are_absent(tmp_path: Path) -> None:
    corpus = prepared(tmp_path, portrait(tmp_path / "frames"), workers=1)
    face, present = points_of(corpus, 0, "face")
    assert present.all()
    assert face.shape == (3, 468, 3)
    pose, _ = points_of(corpus, 0, "pose")
    nose = LAYOUT.block("pose").points.index("nose")
    tip = LAYOUT.block("face").points.index("nose")
    np.testing.assert_allclose(face[:, tip, :2], pose[:, nose, :2], atol=0.05)
    for side in ("left", "right"):
        values, present = points_of(corpus, 0, f"{side}_hand")
        assert not present.any()
        assert not values.any()


def test_mirrored_videos_are_turned_back(tmp_path: Path) -> None:
    straight = prepared(tmp_path, portrait(tmp_path / "straight"), workers=1)
    mirrored = prepared(
        tmp_path, portrait(tmp_path / "flipped", flipped=True), name="m", workers=1, mirrored=True
    )
    np.testing.assert_array_equal(mirrored.features(0), straight.features(0))


def test_a_person_must_be_seen(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "wall").mkdir()
    Image.new("RGB", (320, 240), "grey").save(tmp_path / "wall" / "0.png")
    with pytest.raises(ValueError, match="no person was found in any of its 1 frames"):
        prepared(tmp_path, tmp_path / "wall", workers=1)
