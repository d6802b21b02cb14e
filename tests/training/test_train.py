"""A run learns, stops when it should, and leaves what it promises."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from run_helpers import TrainCommand, metrics

OFF = {"dropout": 0.0, "time_masks": 0, "block_dropout": 0.0, "jitter": 0.0, "time_warp": 0.0}


def test_a_few_sequences_are_learned_by_heart(train: TrainCommand, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train.run(run, epochs=60, eval_steps=540, eval_split="train", block_shift=0, **OFF)
    losses = [record["loss"] for record in metrics(run) if "loss" in record]
    assert losses[-1] < 0.05 < losses[0]
    assert [record["wer"] for record in metrics(run) if "wer" in record] == [0.0]


def test_a_run_leaves_what_the_readme_lists(train: TrainCommand, tmp_path: Path) -> None:
    run = tmp_path / "run"
    output = train.run(run, epochs=2, mixed_precision="bf16")
    for name in ("vocabulary.json", "layout.json", "statistics.safetensors", "curves.png"):
        assert (run / name).is_file(), name
    assert (run / "best" / "model.safetensors").is_file()
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["mixed_precision"] == "bf16" and config["epochs"] == 2
    start = json.loads((run / "environment.json").read_text())["starts"][0]
    assert start["world_size"] == 1 and start["device"].startswith("cpu")
    assert "first batch: 2 sequences" in output
    validations = [record for record in metrics(run) if "wer" in record]
    assert len(validations) == 2
    assert {"blank_share", "empty_share", "distinct_tokens"} <= validations[0].keys()
    assert np.isfinite([r["loss"] for r in metrics(run) if "loss" in r]).all()


@pytest.mark.slow
def test_early_stopping_ends_a_run_that_does_not_get_better(
    train: TrainCommand, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = {"epochs": 50, "learning_rate": 1e-9, "early_stopping_patience": 3}
    train.run(run, **settings)
    validations = [record for record in metrics(run) if "wer" in record]
    assert len(validations) == 4
    assert "this run stopped early" in train.run(run, **settings)


@pytest.mark.slow
def test_wandb_offline_writes_and_goes_on_with_the_same_run(
    train: TrainCommand, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train.run(run, wandb_mode="offline", max_steps=4)
    train.run(run, wandb_mode="offline", max_steps=8)
    folders = sorted((run / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    assert len({folder.name.rsplit("-", 1)[1] for folder in folders}) == 1, "one run id"
