"""What every model promises, in every setting and on every layout."""

from __future__ import annotations

import pytest
import torch
from models_helpers import EVERY_WAY, LAYOUTS, SMALL, make, random_batch, run

from slr_accel.ctc.loss import ctc_loss
from slr_accel.models.build import build_model, model_config
from slr_accel.models.recogniser import Recogniser, log_probs
from slr_accel.models.student_reference import has_statistics
from slr_accel.settings.models.by_name import MODELS
from slr_accel.training.losses import Criterion, loss_terms, total

every_way = pytest.mark.parametrize(("name", "settings"), EVERY_WAY, ids=str)
every_model = pytest.mark.parametrize("name", MODELS)


def test_every_model_is_tested() -> None:
    assert set(SMALL) == set(MODELS) == {name for name, _ in EVERY_WAY}


def assert_the_same_alone_and_padded(model: Recogniser, layout: str, lengths: list[int]) -> None:
    batch = random_batch(LAYOUTS[layout], lengths)
    with torch.no_grad():
        together = run(model.eval(), batch)
        for i, length in enumerate(lengths):
            alone = model(
                batch.features[i : i + 1, :length],
                batch.presence[i : i + 1, :length],
                batch.lengths[i : i + 1],
            )
            steps = int(alone.lengths[0])
            assert together.lengths[i] == steps == -(-length // model.output_stride)
            torch.testing.assert_close(
                together.log_probs[i, :steps], alone.log_probs[0], atol=1e-5, rtol=0
            )


@every_way
def test_output_is_the_same_alone_and_in_a_padded_batch(name, settings) -> None:
    model = make(name, LAYOUTS["pose and hands"], **settings)
    assert_the_same_alone_and_padded(model, "pose and hands", [37, 5, 1, 64, 18])


@every_model
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_works_and_padding_changes_nothing(name, layout) -> None:
    assert_the_same_alone_and_padded(make(name, LAYOUTS[layout]), layout, [9, 21, 2])


@every_way
def test_outputs_are_the_frames_over_the_stride_rounded_up(name, settings) -> None:
    model = make(name, LAYOUTS["tracks"], **settings).eval()
    for frames in (*range(1, 18), 31, 32, 33, 499, 500):
        with torch.no_grad():
            output = run(model, random_batch(LAYOUTS["tracks"], [frames]))
        steps = -(-frames // model.output_stride)
        assert output.log_probs.shape == (1, steps, 7)
        assert output.lengths.tolist() == [steps]


@every_way
def test_outputs_are_log_probabilities_that_vary_over_time(name, settings) -> None:
    model = make(name, LAYOUTS["pose and hands"], **settings).eval()
    output = run(model, random_batch(LAYOUTS["pose and hands"], [40, 30]))
    assert output.log_probs.dtype == torch.float32
    total = output.log_probs.exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total))
    assert output.early_heads == () and output.second_view is None
    assert output.log_probs[1, : int(output.lengths[1])].std(dim=0).mean() > 1e-3


@every_way
def test_features_are_what_the_final_head_reads_in_each_view(name, settings) -> None:
    model = make(name, LAYOUTS["pose and hands"], **settings).train()
    output = run(model, random_batch(LAYOUTS["pose and hands"], [20, 9]))
    for view in filter(None, (output, output.second_view)):
        torch.testing.assert_close(log_probs(model.head, view.features), view.log_probs)


@every_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_loss_and_every_gradient_are_finite(name, settings, dtype) -> None:
    model = make(name, LAYOUTS["pose and hands"], **settings).train()
    batch = random_batch(LAYOUTS["pose and hands"], [20, 9, 4])
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        output = run(model, batch)
    loss = total(loss_terms(output, batch, Criterion(0.5, 4.0)))
    loss.backward()
    assert torch.isfinite(loss)
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name


@every_model
def test_training_changes_buffers_of_models_with_statistics_alone(name) -> None:
    model = make(name, LAYOUTS["tracks"]).train()
    before = [buffer.clone() for buffer in model.buffers()]
    run(model, random_batch(LAYOUTS["tracks"], [20, 9]))
    same = all(map(torch.equal, before, model.buffers()))
    assert same != has_statistics(model)


def test_heads_compute_in_float32_whatever_the_rest_does() -> None:
    head, x = torch.nn.Linear(16, 50), torch.randn(2, 5, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = log_probs(head, x)
    assert torch.equal(found, head(x).log_softmax(-1))


@every_way
def test_gradient_checkpointing_changes_no_gradient(name, settings) -> None:
    batch = random_batch(LAYOUTS["tracks"], [20, 9])
    gradients = []
    for on in (False, True):
        model = make(name, LAYOUTS["tracks"], **settings, gradient_checkpointing=on).train()
        torch.manual_seed(1)
        output = run(model, batch)
        ctc_loss(output.log_probs, output.lengths, batch.targets, batch.target_lengths).backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(*gradients, atol=0, rtol=0)


@every_way
def test_the_config_alone_rebuilds_the_model(name, settings) -> None:
    model = make(name, LAYOUTS["pose and hands"], **settings)
    rebuilt = build_model(model_config(model))
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    assert {key: tensor.shape for key, tensor in rebuilt.state_dict().items()} == shapes
    assert model_config(rebuilt) == model_config(model)
