"""The number of processes changes nothing but the time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from run_helpers import TrainCommand, last_weights, metrics

pytestmark = pytest.mark.distributed
WAYS = {1: 4, 2: 2, 4: 1}
"""Processes: accumulation steps of each."""


def runs(train: TrainCommand, folder: Path, **settings: object) -> list[Path]:
    """The same 20 steps of 4 micro-batches, with augmentation and dropout, on 1, 2 and 4."""
    for processes, accumulation in WAYS.items():
        train.run(
            folder / str(processes),
            processes=processes,
            accumulation_steps=accumulation,
            max_steps=20,
            epochs=10,
            max_grad_norm=1.0,
            block_dropout=0.1,
            **settings,
        )
    return [folder / str(processes) for processes in WAYS]


def test_sgd_weights_agree_on_1_2_and_4_processes(train: TrainCommand, tmp_path: Path) -> None:
    one, *others = (last_weights(run) for run in runs(train, tmp_path, optimizer="sgd"))
    for other in others:
        for name in one:
            np.testing.assert_allclose(other[name], one[name], atol=1e-5, rtol=0, err_msg=name)


@pytest.mark.slow
def test_adamw_loss_and_gradient_norm_agree_on_1_2_and_4_processes(
    train: TrainCommand, tmp_path: Path
) -> None:
    one, *others = (metrics(run) for run in runs(train, tmp_path, learning_rate=0.002))
    for other in others:
        assert len(other) == len(one)
        for theirs, ours in zip(other, one, strict=True):
            assert theirs.keys() == ours.keys()
            for name in ("loss", "grad_norm"):
                if name in ours:
                    assert theirs[name] == pytest.approx(ours[name], abs=1e-4, rel=1e-4)


@pytest.mark.slow
def test_a_world_size_that_cannot_share_a_step_is_refused(
    train: TrainCommand, tmp_path: Path
) -> None:
    train.run(tmp_path / "run", micro_batches_per_step=3, max_steps=1)
    output = train.run(tmp_path / "run", micro_batches_per_step=3, processes=2, expect=1)
    assert "start it with 1, 3 process(es)" in output


@pytest.mark.slow
def test_another_world_size_continues_with_the_same_data(
    train: TrainCommand, tmp_path: Path
) -> None:
    settings = {"micro_batches_per_step": 2, "epochs": 2, "learning_rate": 0.002}
    train.run(tmp_path / "one", **settings)
    train.run(tmp_path / "both", **settings, max_steps=4)
    train.run(tmp_path / "both", **settings, processes=2)
    one = [record for record in metrics(tmp_path / "one") if "loss" in record]
    both = [record for record in metrics(tmp_path / "both") if "loss" in record]
    for ours, theirs in zip(both, one, strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4, rel=1e-4)
