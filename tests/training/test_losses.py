"""The loss of a step is the weighted sum of its named terms."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from run_helpers import TrainCommand, metrics

from slr_accel.ctc.loss import ctc_loss
from slr_accel.loading.batch import Batch
from slr_accel.models.recogniser import Head, Output
from slr_accel.training.losses import Criterion, divergence, loss_terms, total


def test_options_of_ctc_are_on_all_its_heads() -> None:
    draws = torch.Generator().manual_seed(0)
    main, early = (torch.randn(1, 8, 4, generator=draws).log_softmax(-1) for _ in range(2))
    lengths, targets = torch.tensor([8]), torch.tensor([[1, 2]])
    batch = Batch(
        rows=torch.tensor([0]),
        features=torch.zeros(1, 32, 2),
        presence=torch.ones(1, 32, 1, dtype=torch.bool),
        lengths=torch.tensor([32]),
        targets=targets,
        target_lengths=torch.tensor([2]),
    )
    output = Output(main, lengths, (Head(early, lengths),))

    def alone(log_probs: torch.Tensor) -> float:
        return float(ctc_loss(log_probs, lengths, targets, torch.tensor([2]), delay_penalty=0.2))

    terms = loss_terms(output, batch, Criterion(auxiliary_weight=0.5, delay_penalty=0.2))
    assert list(terms) == ["ctc", "early_head"]
    assert float(terms["ctc"].sum) == pytest.approx(alone(main))
    assert float(terms["early_head"].sum) == pytest.approx(alone(early))
    assert float(total(terms)) == pytest.approx(alone(main) + 0.5 * alone(early))
    plain = loss_terms(output, batch, Criterion())["ctc"].sum
    assert float(terms["ctc"].sum) != pytest.approx(float(plain))


def test_divergence_is_symmetric_zero_of_equals_and_blind_to_padding() -> None:
    first, second = torch.randn(2, 3, 5, 4).log_softmax(dim=-1)
    lengths = torch.tensor([5, 2, 1])
    there, back = divergence(first, second, lengths), divergence(second, first, lengths)
    torch.testing.assert_close(there, back)
    assert not divergence(first, first, lengths).any()
    kl = torch.nn.functional.kl_div
    expected = kl(first[1, :2], second[1, :2], log_target=True, reduction="sum")
    expected += kl(second[1, :2], first[1, :2], log_target=True, reduction="sum")
    torch.testing.assert_close(there[1], expected / 4)


def test_the_delay_penalty_goes_with_the_learning_rate_and_the_blank_margin_does_not(
    train: TrainCommand, tmp_path: Path
) -> None:
    def first_loss(name: str, **settings: float) -> float:
        train.run(tmp_path / name, max_steps=1, log_steps=1, **settings)
        return metrics(tmp_path / name)[0]["loss"]

    free = first_loss("free", warmup_ratio=0)
    at_peak = first_loss("peak", warmup_ratio=0, delay_penalty=0.5)
    below_it = first_loss("below", warmup_ratio=0.9, delay_penalty=0.5)
    assert at_peak != pytest.approx(free, rel=0.01)
    assert 0 < abs(below_it - free) < 0.5 * abs(at_peak - free)
    # The loss is that of a token, each of which now costs about the margin.
    with_margin = first_loss("margin", warmup_ratio=0.9, blank_margin=50.0)
    assert with_margin > free + 40
