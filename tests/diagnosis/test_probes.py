"""Probes name what is wrong with a model on a batch, and find nothing wrong with a sound one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from models_helpers import LAYOUTS, make, random_batch
from torch import nn

from slr_accel.diagnosis.probes import bypassed_attention, gradient_norms, probe
from slr_accel.loading.batch import Batch
from slr_accel.models.recogniser import Recogniser
from slr_accel.settings.models.by_name import MODELS

LAYOUT = LAYOUTS["tracks"]
DISTINCT = torch.tensor([[1, 2], [3, 4]])


def batch() -> Batch:
    made = random_batch(LAYOUT, [40, 32])
    return replace(made, targets=DISTINCT, target_lengths=torch.tensor([2, 2]))


def sharpened(name: str = "student") -> Recogniser:
    """A model that is no longer uniform, as after some training."""
    model = make(name, LAYOUT)
    with torch.no_grad():
        model.head.weight.mul_(20)  # type: ignore[operator, union-attr]
    return model


def failed(model: Recogniser, data: Batch) -> set[str]:
    return {check.name for check in probe(model, data) if not check.ok}


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_wrong_with_a_sound_model(name: str) -> None:
    model, data = sharpened(name), batch()
    assert failed(model, data) == set()
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    names = [check.name for check in probe(model, data)]
    assert ("gradient_flow_without_attention" in names) == (name == "teacher")


def test_a_uniform_output_is_named() -> None:
    model = make("student", LAYOUT)
    nn.init.normal_(model.head.weight, std=0.01)  # type: ignore[union-attr, arg-type]
    assert failed(model, batch()) == {"output_distribution"}


def test_a_part_that_no_gradient_reaches_is_named() -> None:
    model = sharpened()
    model.lstm.register_forward_hook(lambda m, i, out: out.detach())  # type: ignore[union-attr]
    assert failed(model, batch()) == {"gradient_flow"}
    norms = gradient_norms(model, batch())
    assert norms["encoders"] == norms["lstm"] == 0 < norms["head"]


def test_time_pooled_away_is_named() -> None:
    model = sharpened()
    model.lstm.register_forward_hook(  # type: ignore[union-attr]
        lambda m, i, out: out.mean(dim=1, keepdim=True).expand_as(out)
    )
    assert "output_over_time" in failed(model, batch())


def test_attention_that_clamps_everything_is_named() -> None:
    model = make("teacher", LAYOUT, attention_clamp=1e-4)
    assert "clamp_saturation" in failed(model, batch())


def test_bypassed_attention_hands_its_input_on() -> None:
    model, x = make("teacher", LAYOUT).attention[0], torch.randn(1, 5, 3, 8)  # type: ignore[index]
    lengths = torch.tensor([5])
    with bypassed_attention(model):
        assert torch.equal(model(x, lengths), x)
    assert not torch.equal(model(x, lengths), x)


def test_nan_and_equal_inputs_and_wrong_labels_are_named() -> None:
    data = batch()
    broken = data.features.clone()
    broken[0, 3] = torch.nan
    model = sharpened()
    assert "log_probabilities" in failed(model, replace(data, features=broken))
    same = {"features": data.features[:1].repeat(2, 1, 1), "lengths": data.lengths[:1].repeat(2)}
    same["presence"] = data.presence[:1].repeat(2, 1, 1)
    assert failed(model, replace(data, **same)) == {"distinct_inputs"}
    longer = torch.arange(1, 7).repeat(2, 2)
    lengths = torch.tensor([12, 12])
    assert "labels" in failed(model, replace(data, targets=longer, target_lengths=lengths))
