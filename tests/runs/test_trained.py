"""A trained model reads arrays and files as `prepare` and `predict` do, and refuses others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models_helpers import LAYOUTS, make
from prepare_helpers import built, index_of

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.manifest import list_manifest
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.layout import Layout
from slr_accel.models.find import LAYOUT_FILE
from slr_accel.models.folder import save_model
from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.opened import open_run
from slr_accel.runs.run_folder import read_missing
from slr_accel.runs.trained import load
from slr_accel.settings.models.by_name import MODELS

VOCABULARY = Vocabulary(tuple("ABCDEF"), "raw")
LENGTHS = (37, 5, 1, 64)
MARKED = ("pose and hands", "nan")


def certain(model: Recogniser) -> Recogniser:
    """An untrained model is undecided everywhere; its rounding would choose the tokens."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "head" in name:
                weight.mul_(20)
    return model


def saved(folder: Path, model: Recogniser, missing: str) -> Path:
    folder.mkdir()
    save_model(folder, model, VOCABULARY, model.state_dict())
    write_layout(folder / LAYOUT_FILE, model.features.layout, missing)
    return folder


def write_layout(path: Path, layout: Layout, missing: str) -> None:
    import json

    form = layout.to_json()
    for block in form["blocks"]:
        block["missing"] = missing
    path.write_text(json.dumps(form))


def arrays(layout: Layout, marker: float) -> list[np.ndarray]:
    """Of numbers that float16 has; some frames lack a block."""
    random = np.random.default_rng(0)
    made = []
    for frames in LENGTHS:
        values = random.normal(0.5, 0.2, (frames, layout.columns)).astype(np.float16)
        array = values.astype(np.float32)
        for columns in layout.slices.values():
            array[random.random(frames) < 0.2, columns] = marker
        made.append(array)
    return made


def prepared(folder: Path, made: list[np.ndarray], layout: Path, fps: float | None) -> Corpus:
    rows = []
    for number, array in enumerate(made):
        np.save(folder / f"{number}.npy", array)
        rows.append({"id": f"s{number}", "split": "test", "features": f"{number}.npy"})
    index = index_of(folder, *rows)
    return built(list_manifest(index, layout=str(layout), fps=fps), folder / "out")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("layout", "missing", "marker"),
    [("pose and hands", "nan", np.nan), ("tracks", "zeros", 0.0), ("13 columns", "none", 0.5)],
)
def test_an_array_gives_the_tokens_of_prepare_and_predict(
    name: str, layout: str, missing: str, marker: float, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "model", certain(make(name, LAYOUTS[layout])), missing)
    made = arrays(LAYOUTS[layout], marker)
    corpus = prepared(tmp_path, made, folder / LAYOUT_FILE, fps=25)
    with open_run(str(folder), data_dir=str(corpus.folder)) as opened:
        expected = opened.transcribe(np.arange(len(made))).hypotheses
    found = load(folder).transcribe(made, fps=25)
    assert any(hypothesis.tokens for hypothesis in expected)
    for hypothesis, result in zip(expected, found, strict=True):
        assert result.glosses == VOCABULARY.decode(hypothesis.tokens)
        np.testing.assert_allclose(result.confidence, hypothesis.confidence, atol=1e-4)


@pytest.fixture
def student(tmp_path: Path) -> Path:
    layout, missing = MARKED
    return saved(tmp_path / "model", certain(make("student", LAYOUTS[layout])), missing)


def test_a_file_is_read_as_its_array(student: Path, tmp_path: Path) -> None:
    array = arrays(LAYOUTS["pose and hands"], np.nan)[0]
    np.save(tmp_path / "a recording.npy", array)
    np.savez(tmp_path / "two.npz", one=array, other=array[:5])
    recogniser = load(student)
    expected = recogniser.transcribe(array)
    for file in ("a recording.npy", "two.npz#one"):
        found = recogniser.transcribe(str(tmp_path / file))
        assert found.to_json() == expected.to_json()
        np.testing.assert_array_equal(found.log_probs, expected.log_probs)


def test_points_and_axes_may_be_dimensions_of_their_own(tmp_path: Path) -> None:
    layout = LAYOUTS["holistic"]
    recogniser = load(saved(tmp_path / "model", make("student", layout), "zeros"))
    array = arrays(layout, 0)[1]
    flat, points = (recogniser.transcribe(a) for a in (array, array.reshape(5, 543, 3)))
    np.testing.assert_array_equal(flat.log_probs, points.log_probs)


def test_another_frame_rate_is_resampled_and_keeps_its_times(student: Path) -> None:
    array = np.full((100, LAYOUTS["pose and hands"].columns), 0.5, np.float32)
    array[:, 0] = np.linspace(0, 1, 100)
    slow, fast = (load(student).transcribe(a, fps=f) for a, f in [(array, 25), (array, 100)])
    assert len(slow.log_probs) == 25 and len(fast.log_probs) == 7
    assert fast.seconds_per_step == pytest.approx(slow.seconds_per_step)
    assert all(end <= 1.12 for _, end in fast.times)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((5, 7)), ["[5, 7]", "[frames, 170]", "pose 11xyzc"]),
        (np.zeros((0, 170)), ["[0, 170]", "1 frame or more"]),
        (np.zeros(170), ["[170]"]),
        (np.full((5, 170), "a"), ["not numbers"]),
        (np.full((5, 170), np.inf), ["infinite"]),
        ("none.npy", ["none.npy", "no such file"]),
        ("notes.txt", ["notes.txt", ".npy", ".pose", ".mp4"]),
    ],
    ids=str,
)
def test_other_input_is_refused_with_what_is_needed(
    source: object, words: list[str], student: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("x")
    with pytest.raises(ValueError) as error:
        load(student).transcribe(source)  # type: ignore[call-overload]
    assert all(word in str(error.value) for word in words), error.value


def test_an_unknown_device_is_refused(student: Path) -> None:
    with pytest.raises(ValueError, match="device 'moon'"):
        load(student, device="moon")


def test_a_run_says_how_its_recordings_marked_absence(plain_run: Path) -> None:
    """The importer of the tiny corpus said nothing: it stores zeros where a hand was absent."""
    assert set(read_missing(plain_run / LAYOUT_FILE).values()) == {"zeros"}
    assert set(load(plain_run).reader.missing.values()) == {"zeros"}


def test_a_saved_model_reads_as_its_run(plain_run: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    from slr_accel.cli import main
    from slr_accel.corpus.reader import open_corpus

    with pytest.raises(SystemExit):
        main(["models", str(plain_run), "--out", str(tmp_path / "model")])
    array = open_corpus(tiny_corpus).features(0)
    ours, theirs = (load(source).transcribe(array) for source in (plain_run, tmp_path / "model"))
    np.testing.assert_array_equal(ours.log_probs, theirs.log_probs)
