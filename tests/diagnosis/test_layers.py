"""Faults planted in small models are found in their layers; models without them raise nothing."""

from __future__ import annotations

import pytest
import torch
from models_helpers import EVERY_WAY, LAYOUTS, make, random_batch

from slr_accel.diagnosis.layer_rules import layer_findings
from slr_accel.diagnosis.layers import measure_layers
from slr_accel.loading.batch import Batch
from slr_accel.models.recogniser import Recogniser
from slr_accel.models.student import Student

BATCH = random_batch(LAYOUTS["pose and hands"], [40, 33, 28, 24])


def model_of(name: str, **settings: object) -> Recogniser:
    return make(name, BATCH_LAYOUT, **settings)


BATCH_LAYOUT = LAYOUTS["pose and hands"]


def codes(model: Recogniser, batch: Batch = BATCH) -> list[str]:
    figures, _ = measure_layers(model, batch)
    return [finding.code for finding in layer_findings(figures, learned=False)]


@pytest.mark.parametrize(("name", "settings"), EVERY_WAY)
def test_a_new_model_raises_nothing(name: str, settings: dict[str, object]) -> None:
    groups = ("position", "velocity") if name == "cosign" else ()
    model = make(name, BATCH_LAYOUT, groups=groups, **settings)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert codes(model) == []
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_nan_among_the_features_is_named_there() -> None:
    features = BATCH.features.clone()
    features[1, 3] = torch.nan
    broken = random_batch(BATCH_LAYOUT, [40, 33, 28, 24])
    broken.features.copy_(features)
    figures, _ = measure_layers(model_of("student"), broken)
    first = next(layer_findings(figures, learned=False))
    assert first.code == "non_finite" and "layer features" in first.problem


def test_a_layer_without_output_is_dead() -> None:
    model = model_of("student")
    assert isinstance(model, Student)
    torch.nn.init.zeros_(model.blocks[0].widen.weight)
    torch.nn.init.zeros_(model.blocks[0].widen.bias)
    assert "dead_layer" in codes(model)


def test_pooling_over_all_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("student")
    assert isinstance(model, Student)
    norm = model.norm.forward
    monkeypatch.setattr(
        model.norm,
        "forward",
        lambda x, lengths: norm(x, lengths).mean(dim=1, keepdim=True).expand_as(x),
    )
    assert "time_lost" in codes(model)


def test_an_attention_whose_clamp_saturates_is_named() -> None:
    assert codes(model_of("teacher", attention_clamp=1e-5)) == ["saturated_clamp"]


def test_weights_of_a_tiny_gain_let_the_gradient_vanish() -> None:
    model = model_of("student")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "head" not in name:
                parameter.mul_(0.01)
    assert "vanishing_gradient" in codes(model)
