"""A soft loss is what a plain loop over each sequence's own steps computes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from slr_accel.ctc.decoders import greedy_decode
from slr_accel.distillation.soft_loss import (
    SoftTargets,
    best_tokens,
    divergence_from,
    feature_loss,
    hypotheses,
    sequence_loss,
    soft_loss,
)
from slr_accel.loading.batch import SoftLabels
from slr_accel.models.recogniser import Head, Output

shapes = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(2, 6), st.integers(0, 10**6))


def posteriors(batch: int, steps: int, tokens: int, seed: int) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(batch, steps, tokens, generator=draws)).log_softmax(-1)


def own_lengths(batch: int, steps: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(1, steps + 1, batch))


def looped(
    student: Tensor, teacher: Tensor, mask: Tensor, temperature: float, blank: bool
) -> list[float]:
    """The definition in float64, step by step and token by token."""
    sums = []
    for own, other, counts in zip(student.numpy(), teacher.numpy(), mask.numpy(), strict=True):
        total = 0.0
        for step in np.flatnonzero(counts):
            p, q = (np.exp(x[step].astype(np.float64) / temperature) for x in (other, own))
            p, q = (x if blank else x[1:] for x in (p, q))
            p, q = p / p.sum(), q / q.sum()
            total += sum(a * np.log(a / b) for a, b in zip(p, q, strict=True))
        sums.append(temperature**2 * total)
    return sums


@settings(max_examples=60, deadline=None)
@given(shapes, st.sampled_from([1.0, 3.0, 8.0]), st.booleans())
def test_divergence_equals_a_float64_loop(
    shape: tuple[int, int, int, int], temperature: float, blank: bool
) -> None:
    batch, steps, tokens, seed = shape
    student, teacher = posteriors(*shape), posteriors(batch, steps, tokens, seed + 1)
    mask = torch.from_numpy(np.random.default_rng(seed).random((batch, steps)) < 0.6)
    found = divergence_from(
        student.double(), teacher.double(), mask, temperature=temperature, blank=blank
    )
    np.testing.assert_allclose(
        found, looped(student, teacher, mask, temperature, blank), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("frames", ["all", "non_blank", "symmetric"])
@pytest.mark.parametrize("shift", [0, 2])
def test_padding_changes_nothing_and_equal_models_lose_nothing(frames: str, shift: int) -> None:
    student, teacher = posteriors(2, 8, 5, 0), posteriors(2, 8, 5, 1)
    lengths, options = torch.tensor([8, 5]), SoftTargets(2.0, frames, shift=shift)
    labels = SoftLabels(teacher, lengths)
    found = soft_loss(Head(student, lengths), labels, options)
    junk = [x.clone() for x in (student, teacher)]
    for x in junk:
        x[1, 5:] = posteriors(1, 3, 5, 9)[0]
    other = soft_loss(Head(junk[0], lengths), SoftLabels(junk[1], lengths), options)
    assert float(found) > 0
    torch.testing.assert_close(found, other, rtol=0, atol=0)
    alone = [
        float(soft_loss(Head(s[None, :n], n[None]), SoftLabels(t[None, :n], n[None]), options))
        for s, t, n in zip(student, teacher, lengths, strict=True)
    ]
    assert float(found) == pytest.approx(sum(alone), rel=1e-6)
    assert float(soft_loss(Head(teacher, lengths), labels, options)) == pytest.approx(0, abs=1e-6)


def test_a_sequence_counts_by_its_mean_step_and_by_what_the_teacher_says() -> None:
    path = torch.nn.functional.one_hot(torch.tensor([[0, 1, 1, 0, 2, 0]]), 3).float()
    teacher, student = (9 * path).log_softmax(-1), posteriors(1, 6, 3, 0)
    lengths = torch.tensor([6])
    found = soft_loss(Head(student, lengths), SoftLabels(teacher, lengths), SoftTargets(2.0))
    whole = looped(student, teacher, torch.ones(1, 6, dtype=torch.bool), 2.0, True)[0]
    assert float(found) == pytest.approx(whole / 6 * 2, rel=1e-5)


@pytest.mark.parametrize("blank", [True, False])
@pytest.mark.parametrize("frames", ["all", "symmetric"])
def test_the_gradient_is_that_of_the_loss(frames: str, blank: bool) -> None:
    lengths = torch.tensor([6, 4])
    labels = SoftLabels(posteriors(2, 6, 4, 1).double(), lengths)
    options = SoftTargets(3.0, frames, blank)

    def loss(logits: Tensor) -> Tensor:
        return soft_loss(Head(logits.log_softmax(-1), lengths), labels, options)

    logits = posteriors(2, 6, 4, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(loss, logits)
    loss(logits).backward()
    assert logits.grad is not None and not logits.grad[1, 4:].any()


def test_features_are_matched_in_direction_on_a_sequences_own_steps() -> None:
    lengths, draws = torch.tensor([6, 4]), torch.Generator().manual_seed(1)
    log_probs = posteriors(2, 6, 4, 0)
    ours, theirs = (torch.randn(2, 6, n, generator=draws).double() for n in (3, 7))
    counts = torch.tensor([len(h.tokens) or 1 for h in greedy_decode(log_probs, lengths)])

    def loss(features: Tensor) -> Tensor:
        labels = SoftLabels(log_probs, lengths, theirs.float())
        return feature_loss(Output(log_probs, lengths, features=features), labels)

    # Every student of this width is asked for the same directions.
    projection = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)).double()
    wanted = theirs @ projection
    assert float(loss(2 * wanted)) == pytest.approx(0, abs=1e-5)
    assert float(loss(-wanted)) == pytest.approx(2 * float(counts.sum()), rel=1e-5)
    cosine = (ours * wanted).sum(-1) / (ours.norm(dim=-1) * wanted.norm(dim=-1))
    each = torch.stack([1 - own[:n].mean() for own, n in zip(cosine, lengths, strict=True)])
    assert float(loss(ours)) == pytest.approx(float((each * counts).sum()), rel=1e-5)
    own = ours.clone().requires_grad_()
    loss(own).backward()
    assert own.grad is not None and own.grad[1, :4].any() and not own.grad[1, 4:].any()


@pytest.mark.parametrize("count", [1, 3])
def test_the_gradient_of_the_sequence_loss_is_that_of_the_loss(count: int) -> None:
    lengths = torch.tensor([6, 4])
    labels = SoftLabels(posteriors(2, 6, 4, 1).double(), lengths)
    logits = posteriors(2, 6, 4, 2).double().requires_grad_()
    # In float32, as CTC always is, differences are coarse.
    said = hypotheses(labels, count)
    assert torch.autograd.gradcheck(
        lambda x: sequence_loss(Head(x.log_softmax(-1), lengths), labels, said),
        logits,
        eps=1e-2,
        atol=2e-3,
        rtol=1e-2,
    )


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_tokens_on_the_device_are_those_of_the_greedy_decoder(
    shape: tuple[int, int, int, int],
) -> None:
    log_probs = posteriors(*shape)
    lengths = own_lengths(shape[0], shape[1], shape[3])
    tokens, counts = best_tokens(log_probs, lengths)
    expected = [h.tokens for h in greedy_decode(log_probs, lengths)]
    assert [t[:n].tolist() for t, n in zip(tokens, counts, strict=True)] == expected


def test_a_sequence_that_the_teacher_is_sure_of_counts_more() -> None:
    lengths, student = torch.tensor([3]), posteriors(1, 3, 3, 0)
    path = torch.nn.functional.one_hot(torch.tensor([[0, 1, 0]]), 3).float()
    sure, unsure = ((scale * path).log_softmax(-1) for scale in (20.0, 0.1))
    taught = [SoftLabels(labels, lengths) for labels in (sure, unsure)]
    losses = [float(sequence_loss(Head(student, lengths), t, hypotheses(t, 1))) for t in taught]
    plain = torch.nn.functional.ctc_loss(
        student.transpose(0, 1), torch.tensor([[1]]), lengths, torch.tensor([1]), reduction="sum"
    )
    assert losses[0] == pytest.approx(float(plain), rel=1e-3)
    assert losses[1] < 0.6 * losses[0]


def test_several_hypotheses_are_the_best_of_all_and_share_a_weight_of_one() -> None:
    log_probs, lengths = posteriors(2, 4, 3, 5), torch.tensor([4, 1])
    student, labels = Head(posteriors(2, 4, 3, 6), lengths), SoftLabels(log_probs, lengths)
    said = hypotheses(labels, 4)
    total = 0.0
    for i, length in enumerate(lengths.tolist()):
        # Brute force: every path of the sequence, summed by what it says.
        sums: dict[tuple[int, ...], float] = {}
        for path in itertools.product(range(3), repeat=length):
            tokens = tuple(t for t, _ in itertools.groupby(path) if t)
            each = sum(float(log_probs[i, step, t]) for step, t in enumerate(path))
            sums[tokens] = sums.get(tokens, 0.0) + math.exp(each)
        best = sorted(sums, key=lambda tokens: -sums[tokens])[:4]
        shares = {tokens: sums[tokens] / sum(sums[t] for t in best) for tokens in best}
        for n, tokens in enumerate(best):
            assert said.tokens[i, n, : said.lengths[i, n]].tolist() == list(tokens)
            assert float(said.weights[i, n]) == pytest.approx(shares[tokens], rel=1e-4)
            target = torch.tensor([tokens], dtype=torch.long)
            loss = torch.nn.functional.ctc_loss(
                student.log_probs[i : i + 1].transpose(0, 1),
                target,
                lengths[i : i + 1],
                torch.tensor([len(tokens)]),
                reduction="sum",
            )
            total += shares[tokens] * float(loss)
    assert float(sequence_loss(student, labels, said)) == pytest.approx(total, rel=1e-4)
    assert said.weights[1, 3] == 0  # one step has three hypotheses
