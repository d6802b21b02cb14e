"""Computes the loss terms of a micro-batch: named sums over its sequences, each with its weight.

A step adds the weighted terms and divides once, by the number of targets of all its micro-batches.
`ctc` is logged as `loss`, every other term as `loss_NAME`, without its weight. A new term is a
function below and its place in TERMS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from slr_accel.ctc.loss import ctc_loss
from slr_accel.loading.batch import Batch
from slr_accel.models.recogniser import Head, Output
from slr_accel.padding import frame_mask
from slr_accel.settings.run import Settings


@dataclass(frozen=True)
class Criterion:
    """The weights and options of the loss terms at one optimizer step."""

    auxiliary_weight: float = 0.0
    consistency_weight: float = 0.0
    delay_penalty: float = 0.0
    blank_margin: float = 0.0

    def ctc(self, head: Head | Output, batch: Batch) -> Tensor:
        """The CTC loss of one head, summed over the batch."""
        return ctc_loss(
            head.log_probs,
            head.lengths,
            batch.targets,
            batch.target_lengths,
            delay_penalty=self.delay_penalty,
            blank_margin=self.blank_margin,
        )


def criterion(settings: Settings, factor: float = 1.0) -> Criterion:
    """The criterion of a run.

    Args:
        settings: of the run.
        factor: learning rate over its peak at this step; the delay penalty follows it.
    """
    return Criterion(
        auxiliary_weight=getattr(settings.model, "auxiliary_weight", 0.0),
        consistency_weight=getattr(settings.model, "consistency_weight", 0.0),
        delay_penalty=factor * settings.training.delay_penalty,
        blank_margin=settings.training.blank_margin,
    )


class Term(NamedTuple):
    """One part of the loss."""

    weight: float
    sum: Tensor
    """A scalar, summed over the sequences of the micro-batch; without the weight."""


def ctc(output: Output, batch: Batch, options: Criterion) -> Term:
    """CTC of the head that recognises (Graves et al. 2006)."""
    return Term(1.0, options.ctc(output, batch))


def second_view(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """CTC of the same head on the second view of the batch."""
    if output.second_view is None:
        return None
    return Term(1.0, options.ctc(output.second_view, batch))


def early_head(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """CTC of the heads before the recurrent part, in both views."""
    views = [output] if output.second_view is None else [output, output.second_view]
    losses = [options.ctc(head, batch) for view in views for head in view.early_heads]
    return Term(options.auxiliary_weight, sum(losses[1:], losses[0])) if losses else None


def consistency(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """Divergence between the two views of a sequence, the mean over its steps."""
    if output.second_view is None:
        return None
    each = divergence(output.log_probs, output.second_view.log_probs, output.lengths)
    return Term(options.consistency_weight, each.sum())


TERMS: tuple[Callable[[Output, Batch, Criterion], Term | None], ...] = (
    consistency,
    ctc,
    second_view,
    early_head,
)
NAMES = tuple(term.__name__ for term in TERMS)


def loss_terms(output: Output, batch: Batch, options: Criterion) -> dict[str, Term]:
    """The terms that an output has, by name."""
    terms = ((name, term(output, batch, options)) for name, term in zip(NAMES, TERMS, strict=True))
    return {name: term for name, term in terms if term is not None}


def total(terms: dict[str, Term]) -> Tensor:
    """The weighted sum of the terms, a scalar."""
    first, *rest = (term.weight * term.sum for term in terms.values())
    return sum(rest, first)


def divergence(first: Tensor, second: Tensor, lengths: Tensor) -> Tensor:
    """Symmetric Kullback-Leibler divergence of each sequence, the mean over its own steps: [B].

    Args:
        first, second: [B, T', V] log-probabilities.
        lengths: [B] int64 valid steps.
    """
    each = ((first.exp() - second.exp()) * (first - second)).sum(dim=-1) / 2  # (B, T')
    mask = frame_mask(lengths, each.shape[1])
    return (each * mask).sum(dim=1) / lengths
