"""Situations that people reported, in small: what was silently wrong ends as it should."""

from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import built, points_of
from video_helpers import color_extractor, extracted

from slr_accel.importers.listing import Listing
from slr_accel.importers.manifest import list_manifest
from slr_accel.importers.pose import list_pose
from slr_accel.importers.video import list_video
from slr_accel.inspection.inspect_corpus import inspect_corpus
from slr_accel.progress import untracked

pytestmark = pytest.mark.real_data


@pytest.fixture
def reported(shared_data: Path) -> Path:
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"the reported cases are not on this machine ({folder} is absent)")
    return folder


def test_landscape_and_portrait_show_one_body(reported, tmp_path):
    pytest.importorskip("pose_format")
    corpus = built(list_pose(reported / "aspect" / "index.csv"), tmp_path / "corpus")
    shapes = {}
    for number in range(4):
        points = points_of(corpus, number, "pose")[..., :2]
        shoulders = points[:, [11, 12]]
        width = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1)[:, None, None]
        shapes[corpus.rows.id(number)] = (points - shoulders.mean(axis=1, keepdims=True)) / width
    for number in "01":
        np.testing.assert_allclose(
            shapes[f"portrait{number}"], shapes[f"landscape{number}"], atol=1e-4
        )
    assert corpus.info.source["frame_sizes"] == {"1280x720": 2, "720x1280": 2}


def test_legs_that_are_never_seen_are_not_at_0(reported, tmp_path):
    pytest.importorskip("pose_format")
    listing = list_pose(reported / "hidden_points" / "legs.csv")
    corpus = built(listing, tmp_path / "corpus", allow_skips=True)
    for number in range(2):
        assert corpus.presence(number)[:, 0].all()
        points = points_of(corpus, number, "pose")[..., :2]
        middle = points[:, [11, 12]].mean(axis=1)
        for leg in range(23, 33):
            np.testing.assert_allclose(points[:, leg], middle, atol=1e-4)
    findings = inspect_corpus(corpus, track=untracked)["findings"]
    (told,) = [f["message"] for f in findings if f["code"] == "never_seen"]
    assert "11 points never seen in any frame: pose.left_wrist, pose.left_hip" in told


def test_no_advice_leads_to_a_corpus_of_zeros(reported, tmp_path):
    index = reported / "always_absent" / "index.jsonl"

    def refusal(**options) -> str:
        with pytest.raises(ValueError) as error:
            built(list_manifest(index, **options), tmp_path / "out" / "corpus")
        assert not (tmp_path / "out").exists()
        return str(error.value)

    assert "where NaN marks what was not detected, use --missing nan" in refusal()
    message = refusal(missing="nan")
    assert "block features: 66 of its 1,629 columns" in message
    assert "45-47, 99-161" in message
    listing = list_manifest(index, missing="nan", layout="mediapipe_holistic")
    corpus = built(listing, tmp_path / "corpus")
    assert corpus.presence(0).any(axis=0).tolist() == [True, False, True, True]


def sentences(reported: Path, folder: Path, index: Path) -> Listing:
    return list_video(
        index,
        work=folder / "landmarks",
        extractor=color_extractor(folder / "log"),
        workers=1,
    )


def test_sentences_of_one_video_are_cut_at_their_times(reported, tmp_path):
    pytest.importorskip("av")
    listing = sentences(reported, tmp_path, reported / "start_end" / "index.csv")
    corpus = built(listing, tmp_path / "corpus")
    assert extracted(tmp_path / "log") == 1, "the video is read once"
    assert [corpus.labels(row) for row in range(2)] == [["YO"], ["HOY"]]
    seconds = corpus.rows.frames / 25
    np.testing.assert_allclose(seconds, [1.9, 2.2], atol=0.05)


@pytest.mark.parametrize("times", ["1.9,9.9", "9.9,", "00:00:05.000,00:00:06.000", "1900,4100"])
def test_times_beyond_the_video_are_refused(reported, tmp_path, times):
    pytest.importorskip("av")
    video = (reported / "start_end" / "long.mp4").resolve()
    index = tmp_path / "index.csv"
    index.write_text(f"id,split,video,labels,start,end\na,train,{video},YO,{times}\n")
    with pytest.raises(ValueError, match=r"index\.csv:2: a: (starts|ends) beyond its recording"):
        built(sentences(reported, tmp_path, index), tmp_path / "corpus")
