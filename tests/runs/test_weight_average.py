"""The average follows the weights, is what is evaluated, and leaves the weights as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from run_helpers import TrainCommand
from torch import nn

from slr_accel.runs.weight_average import evaluated_weights, start_average, update_average


def model_of(value: float) -> nn.Module:
    model = nn.Linear(3, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    return model


def test_updates_are_an_exponential_moving_average() -> None:
    model, decay = model_of(0.0), 0.5
    average, expected = start_average(model), 0.0
    for step in range(1, 40):
        with torch.no_grad():
            model.weight.fill_(float(step))
        update_average(average, model, decay, step)
        share = min(decay, (1 + step) / (10 + step))
        expected = share * expected + (1 - share) * step
        torch.testing.assert_close(average["weight"], torch.full((2, 3), expected))
    assert not average["bias"].any()


def test_early_weights_do_not_linger() -> None:
    model = model_of(1.0)
    average = start_average(model_of(0.0))
    for step in range(1, 11):
        update_average(average, model, 0.9999, step)
    assert average["weight"].min() > 0.99


def test_the_average_is_a_copy() -> None:
    model = model_of(1.0)
    average = start_average(model)
    with torch.no_grad():
        model.weight.fill_(5.0)
    assert (average["weight"] == 1).all()


def test_evaluation_uses_the_average_and_restores_the_weights_even_after_an_error() -> None:
    model = model_of(1.0)
    average = start_average(model_of(3.0))
    parameter = model.weight
    with pytest.raises(RuntimeError), evaluated_weights(model, average):
        assert (model.weight == 3).all()
        raise RuntimeError
    assert (model.weight == 1).all()
    assert model.weight is parameter
    assert (average["weight"] == 3).all()


def test_without_an_average_evaluation_uses_the_weights() -> None:
    model = model_of(1.0)
    with evaluated_weights(model, None):
        assert (model.weight == 1).all()


def test_all_processes_score_with_the_statistics_that_the_first_one_saves(
    train: TrainCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    program = (str(Path(__file__).with_name("two_statistics.py")),)
    output = train.run(tmp_path / "unused", processes=2, program=program)
    assert output.count("shared") == 2, output
