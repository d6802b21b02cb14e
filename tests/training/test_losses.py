"""The loss of a step is the weighted sum of its named terms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from models_helpers import LAYOUTS, make, random_batch, run
from run_helpers import TrainCommand, metrics

from slr_accel.ctc.loss import ctc_loss
from slr_accel.loading.batch import Batch, SoftLabels
from slr_accel.models.recogniser import Head, Output
from slr_accel.settings.run import build_settings
from slr_accel.training.losses import Criterion, criterion, divergence, loss_terms, total


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


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("student", {"output_stride": 2, "auxiliary_weight": 0.5, "consistency_weight": 4}),
        ("teacher", {"output_stride": 1, "consistency_weight": 4}),
        ("cosign", {}),
        ("speech", {}),
    ],
)
@pytest.mark.parametrize("options", [{}, {"delay_penalty": 0.1, "blank_margin": 0.5}], ids=str)
def test_heads_that_share_a_call_lose_what_each_loses_alone(
    name: str, settings: dict[str, object], options: dict[str, float]
) -> None:
    batch = random_batch(LAYOUTS["tracks"], [17, 1, 8])
    output = run(make(name, LAYOUTS["tracks"], **settings), batch)
    terms = loss_terms(output, batch, Criterion(**options))

    def alone(heads: Sequence[Head | Output]) -> torch.Tensor:
        labels = batch.targets, batch.target_lengths
        return sum(ctc_loss(head.log_probs, head.lengths, *labels, **options) for head in heads)

    views = [output] if output.second_view is None else [output, output.second_view]
    early = [head for view in views for head in view.early_heads]
    assert torch.equal(terms["ctc"].sum, alone(views[:1]))
    assert ("second_view" in terms, "early_head" in terms) == (len(views) == 2, bool(early))
    if len(views) == 2:
        assert torch.equal(terms["second_view"].sum, alone(views[1:]))
    if early:
        assert torch.equal(terms["early_head"].sum, alone(early))


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_steps_are_told_from_the_padded_ones(stride: int) -> None:
    for frames in range(1, 12):
        lengths = torch.arange(1, frames + 1)
        log_probs = torch.randn(frames, -(-frames // stride), 3).log_softmax(-1)
        batch = random_batch(LAYOUTS["tracks"], lengths.tolist())
        steps = (lengths + stride - 1) // stride
        found = loss_terms(Output(log_probs, steps), batch, Criterion())["ctc"].sum
        assert found == ctc_loss(log_probs, steps, batch.targets, batch.target_lengths)


def test_sequences_without_labels_are_taught_by_soft_labels_alone() -> None:
    draws = torch.Generator().manual_seed(0)
    main, soft = (torch.randn(2, 6, 4, generator=draws).log_softmax(-1) for _ in range(2))
    lengths = torch.tensor([6, 5])

    def terms(rows: list[int], labels: list[list[int]]) -> dict[str, float]:
        targets = torch.tensor(labels)
        batch = Batch(
            rows=torch.tensor(rows),
            features=torch.zeros(len(rows), 24, 2),
            presence=torch.ones(len(rows), 24, 1, dtype=torch.bool),
            lengths=4 * lengths[rows],
            targets=targets,
            target_lengths=(targets > 0).sum(1),
            teacher=SoftLabels(soft[rows], lengths[rows]),
        )
        options = Criterion(label_weight=0.3, some_unlabelled=True)
        found = loss_terms(Output(main[rows], lengths[rows]), batch, options)
        assert (found["ctc"].weight, found["distillation"].weight) == (0.3, 0.7)
        return {name: float(term.sum) for name, term in found.items()}

    both, first, second = terms([0, 1], [[1, 2], [0, 0]]), terms([0], [[1, 2]]), terms([1], [[]])
    assert both["ctc"] == pytest.approx(first["ctc"]) and second["ctc"] == 0
    assert both["distillation"] == pytest.approx(first["distillation"] + second["distillation"])


def test_the_weight_of_a_teacher_moves_with_the_steps() -> None:
    settings = build_settings(
        {
            "data_dir": "-",
            "output_dir": "-",
            "teacher": "a teacher",
            "distillation_weight": 0.9,
            "final_distillation_weight": 0.1,
        }
    )
    weights = [criterion(settings, progress=share).label_weight for share in (0.0, 0.5, 1.0)]
    assert weights == pytest.approx([0.1, 0.5, 0.9])


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
