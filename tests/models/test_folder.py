"""A saved model is the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from models_helpers import EVERY_WAY, LAYOUTS, make, random_batch, run
from pickle_helpers import Payload

from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.folder import load_model, save_model

VOCABULARY = Vocabulary(("A", "B", "C", "D", "E", "F"), "raw")


@pytest.mark.parametrize(("name", "settings"), EVERY_WAY)
def test_loading_gives_the_same_output_bit_for_bit(
    name: str, settings: dict[str, object], tmp_path: Path
) -> None:
    layout = LAYOUTS["pose and hands"]
    model = make(name, layout, **settings).eval()
    model.features.mean.uniform_()
    model.features.deviation.uniform_(0.5, 2)
    save_model(tmp_path, model, VOCABULARY, model.state_dict())
    loaded, vocabulary = load_model(tmp_path)
    batch = random_batch(layout, [12, 7])
    ours, theirs = run(model, batch), run(loaded.eval(), batch)
    assert vocabulary == VOCABULARY
    assert torch.equal(ours.log_probs, theirs.log_probs)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocabulary.json"])
def test_a_missing_or_foreign_file_is_named(name: str, tmp_path: Path) -> None:
    model = make("student", LAYOUTS["tracks"])
    save_model(tmp_path, model, VOCABULARY, model.state_dict())
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(ValueError, match=name):
        load_model(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=name):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocabulary.json"])
def test_a_pickle_in_place_of_a_file_runs_nothing(
    name: str, payload: Payload, tmp_path: Path
) -> None:
    model = make("student", LAYOUTS["tracks"])
    save_model(tmp_path, model, VOCABULARY, model.state_dict())
    (tmp_path / name).write_bytes(payload.pickled)
    with pytest.raises(ValueError):
        load_model(tmp_path)


def test_a_vocabulary_of_another_size_is_refused(tmp_path: Path) -> None:
    model = make("student", LAYOUTS["tracks"])
    save_model(tmp_path, model, Vocabulary(("A",), "raw"), model.state_dict())
    with pytest.raises(ValueError, match="2 outputs, the model 7"):
        load_model(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["num_outputs"] == 7


@pytest.mark.parametrize("frames", [None, 200])
def test_the_frames_a_model_reads_at_most_come_back(frames: int | None, tmp_path: Path) -> None:
    model = make("student", LAYOUTS["tracks"])
    model.max_frames = frames
    save_model(tmp_path, model, VOCABULARY, model.state_dict())
    assert json.loads((tmp_path / "config.json").read_text())["max_frames"] == frames
    assert load_model(tmp_path)[0].max_frames == frames


@pytest.mark.parametrize("frames", [0, -3, 2.5, "90", True])
def test_frames_that_are_no_number_of_frames_are_refused(frames: object, tmp_path: Path) -> None:
    model = make("student", LAYOUTS["tracks"])
    save_model(tmp_path, model, VOCABULARY, model.state_dict())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_frames": frames}))
    with pytest.raises(ValueError, match=r"config\.json: .*max_frames"):
        load_model(tmp_path)
