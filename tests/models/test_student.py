"""What every model promises, on the student and all its settings."""

from __future__ import annotations

import pytest
import torch
from models_helpers import LAYOUTS, make_student, random_batch

from slr_accel.corpus.layout import Layout
from slr_accel.ctc.loss import ctc_loss
from slr_accel.models.settings import StudentSettings

WAYS = [
    {"output_stride": 1},
    {"output_stride": 2},
    {"output_stride": 4, "squeeze_excitation": True},
    {"output_stride": 1, "conv_blocks": 0, "lstm_layers": 1},
    {"output_stride": 2, "auxiliary_weight": 0.5, "kernel_size": 9},
]


@pytest.mark.parametrize("settings", WAYS, ids=str)
def test_output_is_the_same_alone_and_in_a_padded_batch(
    layout: Layout, settings: dict[str, object]
) -> None:
    model = make_student(layout, **settings).eval()
    batch = random_batch(layout, [37, 5, 1, 64, 18])
    with torch.no_grad():
        together = model(batch.features, batch.presence, batch.lengths)
        for i, length in enumerate(batch.lengths.tolist()):
            alone = model(
                batch.features[i : i + 1, :length],
                batch.presence[i : i + 1, :length],
                batch.lengths[i : i + 1],
            )
            steps = int(alone.lengths[0])
            assert together.lengths[i] == steps
            torch.testing.assert_close(
                together.log_probs[i, :steps], alone.log_probs[0], atol=1e-5, rtol=0
            )


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 31, 32, 500])
def test_output_lengths_are_the_frames_over_the_stride_rounded_up(stride: int, frames: int) -> None:
    model = make_student(LAYOUTS["tracks"], output_stride=stride).eval()
    batch = random_batch(LAYOUTS["tracks"], [frames])
    output = model(batch.features, batch.presence, batch.lengths)
    assert output.log_probs.shape == (1, -(-frames // stride), 7)
    assert output.lengths.tolist() == [-(-frames // stride)]


def test_outputs_are_log_probabilities_that_vary_over_time(layout: Layout) -> None:
    batch = random_batch(layout, [40, 30])
    output = make_student(layout).eval()(batch.features, batch.presence, batch.lengths)
    assert output.log_probs.dtype == torch.float32
    torch.testing.assert_close(output.log_probs.exp().sum(-1), torch.ones(2, 20))
    assert output.log_probs[1, :15].std(dim=0).mean() > 1e-3


@pytest.mark.parametrize("settings", WAYS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_loss_and_every_gradient_are_finite(
    settings: dict[str, object], dtype: torch.dtype
) -> None:
    model = make_student(LAYOUTS["tracks"], **settings).train()
    batch = random_batch(LAYOUTS["tracks"], [20, 9, 4])
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        output = model(batch.features, batch.presence, batch.lengths)
    loss = ctc_loss(output.log_probs, output.lengths, batch.targets, batch.target_lengths)
    if output.auxiliary_log_probs is not None:
        loss = loss + output.auxiliary_log_probs.mean()
    loss.backward()
    assert torch.isfinite(loss)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_gradient_checkpointing_changes_no_gradient() -> None:
    batch = random_batch(LAYOUTS["tracks"], [20, 9])
    gradients = []
    for on in (False, True):
        model = make_student(LAYOUTS["tracks"], gradient_checkpointing=on).train()
        torch.manual_seed(1)
        output = model(batch.features, batch.presence, batch.lengths)
        ctc_loss(output.log_probs, output.lengths, batch.targets, batch.target_lengths).backward()
        gradients.append([p.grad for p in model.parameters()])
    torch.testing.assert_close(*gradients, atol=0, rtol=0)


def test_too_few_blocks_for_a_stride_are_refused() -> None:
    (problem,) = StudentSettings(output_stride=4, conv_blocks=1).problems()
    assert "needs at least 2 conv_blocks" in problem
