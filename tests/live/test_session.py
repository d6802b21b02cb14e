"""Live recognition reads what `predict` reads of the same frames, at any frame rate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from models_helpers import make

from slr_accel.cli import main
from slr_accel.corpus.reader import open_corpus
from slr_accel.errors import RunError
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.live import landmark_process
from slr_accel.live.landmark_process import LiveFrame
from slr_accel.live.rate import RateConverter
from slr_accel.live.rest import RestDetector
from slr_accel.models.folder import save_model
from slr_accel.runs.opened import open_run
from slr_accel.video.landmarks import STORED_LAYOUT, Landmarks

VOCABULARY = Vocabulary(tuple("ABCDEF"), "raw")


def landmarks(times: np.ndarray, wrist_height: float = -0.5) -> Landmarks:
    """A body whose wrists are at this height, in shoulder widths above the shoulders."""
    random = np.random.default_rng(0)
    features = random.normal(0, 0.02, (len(times), STORED_LAYOUT.columns)).astype(np.float32)
    for x, side in ((0.6, "left"), (0.4, "right")):
        for point, y in (("shoulder", 0.4), ("wrist", 0.4 - 0.2 * wrist_height)):
            features[:, STORED_LAYOUT.point_columns(f"pose.{side}_{point}", ("x", "y"))] = (x, y)
    presence = random.random((len(times), 4)) < 0.9
    presence[:, 0] = True
    return Landmarks(times, features, presence)


@pytest.mark.parametrize("rate", [10, 24, 25, 29.97, 60])
def test_frames_at_the_models_rate_are_those_of_a_whole_video(rate: float) -> None:
    random = np.random.default_rng(1)
    source = landmarks(3 + np.cumsum(random.uniform(0.5, 1.5, 80)) / rate)
    expected, converter = source.at_rate(25), RateConverter(25)
    parts = [
        new
        for frame in zip(source.times, source.features, source.presence, strict=True)
        if (new := converter.add(*frame)) is not None
    ]
    np.testing.assert_allclose(np.concatenate([p.times for p in parts]), expected.times)
    found = np.concatenate([p.features for p in parts])
    np.testing.assert_allclose(found, expected.features, atol=1e-5)
    np.testing.assert_array_equal(np.concatenate([p.presence for p in parts]), expected.presence)


@pytest.mark.parametrize(
    ("height", "moving", "rests"), [(-1.5, 0.0, True), (-0.3, 0.0, False), (-1.5, 0.5, False)]
)
def test_hands_that_hang_still_are_at_rest(height: float, moving: float, rests: bool) -> None:
    source, detector = landmarks(np.arange(40) / 25, height), RestDetector(25)
    swing = moving * np.sin(np.arange(40) / 4)
    columns = STORED_LAYOUT.point_columns("pose.left_wrist", ("x",))
    source.features[:, columns] += (0.2 * swing[:, None]).astype(np.float32)
    said = [detector.add(*frame) for frame in zip(source.features, source.presence, strict=True)]
    assert not any(said[:24]) and any(said) == rests


def test_nobody_is_at_rest() -> None:
    detector = RestDetector(10)
    nothing = np.zeros(STORED_LAYOUT.columns, np.float32), np.zeros(4, bool)
    assert [detector.add(*nothing) for _ in range(12)] == [False] * 9 + [True] * 3


@pytest.fixture
def model(tmp_path: Path) -> Path:
    student = make("student", mediapipe_holistic())
    with torch.no_grad():
        student.head.weight.mul_(20)  # type: ignore[union-attr, operator]
    (tmp_path / "model").mkdir()
    save_model(tmp_path / "model", student, VOCABULARY, student.state_dict())
    return tmp_path / "model"


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([str(word) for word in words])
    return int(exit_info.value.code or 0)


def frames_of(source: Landmarks, error: Exception | None = None) -> Iterator[LiveFrame]:
    for frame in zip(source.times, source.features, source.presence, strict=True):
        yield LiveFrame(*frame, size=(1280, 720), dropped=1)
    if error:
        raise error


def test_the_command_prints_what_predict_finds_in_what_it_recorded(
    model: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    source = landmarks(np.arange(90) / 30)
    monkeypatch.setattr(landmark_process, "live_frames", lambda _: frames_of(source))
    words = ["live", model, "--camera", "0", "--json", "--look_ahead", "200"]
    assert command(*words, "--record", tmp_path / "recorded") == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    corpus = open_corpus(tmp_path / "recorded")
    assert corpus.features(0).shape == (75, 1629)
    with open_run(str(model), data_dir=str(tmp_path / "recorded")) as opened:
        (whole,) = opened.transcribe(np.array([0])).hypotheses
    assert [line["gloss"] for line in lines] == VOCABULARY.decode(whole.tokens) != []
    assert [line["time"] for line in lines] == [step * 4 / 25 for step in whole.start]
    assert "90 frames of the camera were dropped" in err


def test_a_camera_that_is_lost_ends_with_what_was_read(model: Path, monkeypatch, capsys) -> None:
    lost = RunError("camera 0 gives no more pictures; was it unplugged?")
    source = landmarks(np.arange(40) / 25)
    monkeypatch.setattr(landmark_process, "live_frames", lambda _: frames_of(source, lost))
    assert command("live", model) == 0
    out, err = capsys.readouterr()
    assert "unplugged" in err and out.count("%") >= 1


def test_no_camera_and_a_layout_without_landmarks_are_errors(
    model: Path, plain_run: Path, monkeypatch, capsys
) -> None:
    none = RunError("camera 0 cannot be opened")
    monkeypatch.setattr(
        landmark_process, "live_frames", lambda _: frames_of(landmarks(np.zeros(0)), none)
    )
    assert command("live", model) == 1
    assert command("live", plain_run) == 2
    errors = capsys.readouterr().err
    assert "cannot be opened" in errors and "as the model reads" in errors


def test_no_hands_for_a_minute_says_nothing_and_keeps_nothing(
    model: Path, monkeypatch, capsys
) -> None:
    source = landmarks(np.arange(1500) / 25)
    source.presence[:] = False
    monkeypatch.setattr(landmark_process, "live_frames", lambda _: frames_of(source))
    assert command("live", model, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["time"] < 1.1 for line in lines)
