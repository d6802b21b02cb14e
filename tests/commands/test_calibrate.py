"""`evaluate --calibrate` fits confidences on dev, and later commands use the temperature."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from run_helpers import TrainCommand

from slr_accel.cli import main
from slr_accel.models.folder import load_model, save_model


@pytest.fixture(scope="module")
def learned_run(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that says some words rightly and some wrongly."""
    run = tmp_path_factory.mktemp("runs") / "learned"
    train.run(run, epochs=14, eval_split="train")
    return run


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as exit:
        main([*map(str, words)])
    return int(exit.value.code or 0)


def evaluated(run: Path, out: Path, *words: object) -> dict:
    assert command("evaluate", run, "--output_dir", out, "--split", "dev", *words) == 0
    return json.loads((out / "dev.json").read_text())


def test_the_temperature_is_kept_and_changes_confidences_alone(
    learned_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(learned_run, run, symlinks=True)
    plain = evaluated(run, tmp_path / "a")
    # The tiny split has fewer words than a fit needs.
    config = run / "best" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"temperature": 3.0}))
    soft = evaluated(run, tmp_path / "b")
    assert plain["calibration"]["temperature"] == 1 and soft["calibration"]["temperature"] == 3
    assert soft["calibration"]["mean_confidence"] < plain["calibration"]["mean_confidence"]
    assert {k: v for k, v in soft.items() if k != "calibration"} == {
        k: v for k, v in plain.items() if k != "calibration"
    }
    model, vocabulary = load_model(run / "best")
    (tmp_path / "saved").mkdir()
    save_model(tmp_path / "saved", model, vocabulary, model.state_dict())
    assert load_model(tmp_path / "saved")[0].temperature == 3


def test_it_is_never_fitted_on_train_or_test_or_on_too_few_words(
    learned_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (learned_run / "best" / "config.json").read_bytes()
    words = ("evaluate", learned_run, "--output_dir", tmp_path, "--calibrate")
    assert command(*words, "--split", "train") == 2
    assert "give --split dev" in capsys.readouterr().err
    assert command(*words, "--split", "dev") == 2
    assert "at least 20" in capsys.readouterr().err
    assert (learned_run / "best" / "config.json").read_bytes() == before


@pytest.mark.parametrize("wrong", [0, -1, "2", None, float("inf")])
def test_a_wrong_temperature_is_an_error_that_names_the_file(
    wrong: object, learned_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(learned_run / "best", tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"temperature": wrong}))
    with pytest.raises(ValueError, match=r"config\.json.*temperature"):
        load_model(tmp_path / "model")
