"""CTC's options are what their definitions say, and make a model say tokens earlier, or at all."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from slr_accel.ctc.loss import ctc_loss
from slr_accel.labels.vocabulary import BLANK


def _log_probs(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)


def _collapsed(path: tuple[int, ...]) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != BLANK]


@given(
    steps=st.integers(1, 5),
    target=st.lists(st.integers(1, 2), min_size=1, max_size=2),
    penalty=st.sampled_from([0.0, 0.05, 1.0]),
    seed=st.integers(0, 99),
)
def test_each_step_of_a_token_costs_the_penalty_from_the_middle_on(
    steps: int, target: list[int], penalty: float, seed: int
) -> None:
    log_probs = _log_probs(1, steps, 3, seed=seed)
    paths = [p for p in itertools.product(range(3), repeat=steps) if _collapsed(p) == target]
    if not paths:
        return
    scores = [
        sum(
            float(log_probs[0, t, token]) - penalty * (t - (steps - 1) / 2) * (token != BLANK)
            for t, token in enumerate(path)
        )
        for path in paths
    ]
    loss = ctc_loss(
        log_probs,
        torch.tensor([steps]),
        torch.tensor([target]),
        torch.tensor([len(target)]),
        delay_penalty=penalty,
    )
    assert float(loss) == pytest.approx(-float(torch.tensor(scores).logsumexp(0)), abs=1e-4)


def test_padding_and_half_precision_do_not_change_the_penalty() -> None:
    log_probs, lengths = _log_probs(2, 9, 4), torch.tensor([9, 5])
    targets, target_lengths = torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1])
    together = ctc_loss(log_probs, lengths, targets, target_lengths, delay_penalty=0.3)
    alone = [
        ctc_loss(
            log_probs[i : i + 1, :length],
            lengths[i : i + 1],
            targets[i : i + 1],
            target_lengths[i : i + 1],
            delay_penalty=0.3,
        )
        for i, length in enumerate(lengths.tolist())
    ]
    assert float(together) == pytest.approx(float(sum(alone)), rel=1e-6)
    half = ctc_loss(log_probs.bfloat16(), lengths, targets, target_lengths, delay_penalty=0.3)
    assert half.dtype == torch.float32
    rounded = log_probs.bfloat16().float()
    assert half == ctc_loss(rounded, lengths, targets, target_lengths, delay_penalty=0.3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"delay_penalty": 0.3},
        {"blank_margin": 1.0},
        {"delay_penalty": 0.3, "blank_margin": 1.0},
    ],
)
def test_the_gradient_is_that_of_the_loss(options: dict[str, float]) -> None:
    labels = (torch.tensor([9, 5]), torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]))
    logits = _log_probs(2, 9, 4).requires_grad_()

    def loss(logits: Tensor) -> Tensor:
        return ctc_loss(logits.log_softmax(-1), *labels, **options)

    (gradient,) = torch.autograd.grad(loss(logits), logits)
    step = 0.01
    differences = torch.zeros(logits.numel())
    for i, unit in enumerate(torch.eye(logits.numel()).view(-1, *logits.shape)):
        rise = loss(logits + step * unit) - loss(logits - step * unit)
        differences[i] = rise.detach() / (2 * step)
    torch.testing.assert_close(gradient.flatten(), differences, rtol=0, atol=2e-3)


def test_a_sequence_of_one_step_has_nothing_to_delay() -> None:
    arguments = (_log_probs(1, 1, 3), torch.tensor([1]), torch.tensor([[2]]), torch.tensor([1]))
    assert ctc_loss(*arguments, delay_penalty=9.0) == ctc_loss(*arguments)


def test_tokens_are_learned_earlier_and_not_left_out() -> None:
    def place(penalty: float) -> float:
        """Where logits that are free at each step come to say the one token."""
        logits = torch.zeros(1, 20, 2, requires_grad=True)
        optimizer = torch.optim.SGD([logits], lr=1.0)
        for _ in range(300):
            loss = ctc_loss(
                logits.log_softmax(-1),
                torch.tensor([20]),
                torch.tensor([[1]]),
                torch.tensor([1]),
                delay_penalty=penalty,
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        said = logits.detach().softmax(-1)[0, :, 1]
        assert said.max() > 0.9
        return float((said * torch.arange(20)).sum() / said.sum())

    places = [place(penalty) for penalty in (0.0, 0.05, 0.5)]
    assert places[1] < places[0] - 2 and places[2] < places[0] - 2


@given(steps=st.integers(2, 6), margin=st.floats(0, 5), seed=st.integers(0, 99))
def test_the_margin_multiplies_the_odds_of_blank(steps: int, margin: float, seed: int) -> None:
    log_probs, lengths = _log_probs(2, steps, 4, seed=seed), torch.tensor([steps, 2])
    labels = (lengths, torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]))
    probs = log_probs.double().exp()
    probs[..., BLANK] *= math.exp(margin)
    adjusted = (probs / probs.sum(-1, keepdim=True)).log()
    found = ctc_loss(log_probs, *labels, blank_margin=margin)
    assert float(found) == pytest.approx(float(ctc_loss(adjusted, *labels)), rel=1e-4, abs=1e-4)


def test_with_a_margin_a_token_is_said_where_it_is_only_unsure_which() -> None:
    def said(margin: float) -> int:
        """Of what looks alike, and is nothing in 4 of 10, one token in 3, another in 3."""
        logits = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.SGD([logits], lr=0.05)
        targets, lengths = torch.tensor([[0]] * 4 + [[1]] * 3 + [[2]] * 3), torch.ones(10).long()
        for _ in range(300):
            log_probs = logits.log_softmax(-1).expand(10, 1, 3)
            loss = ctc_loss(
                log_probs, lengths, targets, (targets[:, 0] > 0).long(), blank_margin=margin
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return int(logits.argmax())

    assert said(0.0) == BLANK
    assert said(1.0) != BLANK
