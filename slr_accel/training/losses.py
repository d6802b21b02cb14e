"""Computes the loss terms of a micro-batch: named sums over its sequences, each with its weight.

A step adds the weighted terms and divides once, by the number of targets of all its micro-batches.
`ctc` is logged as `loss`, every other term as `loss_NAME`, without its weight. A new term is a
function below and its place in TERMS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from slr_accel.ctc.loss import ctc_losses
from slr_accel.distillation.soft_loss import (
    SoftTargets,
    feature_loss,
    hypotheses,
    sequence_loss,
    soft_loss,
)
from slr_accel.loading.batch import Batch, SoftLabels
from slr_accel.models.blocks import output_lengths
from slr_accel.models.recogniser import Head, Output
from slr_accel.padding import frame_mask
from slr_accel.settings.run import Settings

STRIDES = (1, 2, 4)
"""Input frames a step of a head. The least one that fits the padded frames and steps fits each
sequence of the batch."""


@dataclass(frozen=True)
class Criterion:
    """The weights and options of the loss terms at one optimizer step."""

    auxiliary_weight: float = 0.0
    consistency_weight: float = 0.0
    delay_penalty: float = 0.0
    blank_margin: float = 0.0
    label_weight: float = 1.0
    """Of CTC; with a teacher, its soft labels have the rest."""
    sequence_weight: float = 0.0
    sequence_hypotheses: int = 1
    feature_matching_weight: float = 0.0
    self_distillation_weight: float = 0.0
    mean_teacher_weight: float = 0.0
    soft: SoftTargets = field(default_factory=SoftTargets)
    """How a teacher's labels teach."""
    own: SoftTargets = field(default_factory=SoftTargets)
    """How the model's own outputs teach."""
    early_stride: int = 1
    """Output steps in a step of the early heads."""
    some_unlabelled: bool = False
    """Batches may have sequences without labels, which CTC leaves out."""

    def ctc(self, heads: Sequence[Head | Output], batch: Batch) -> list[Tensor]:
        """The CTC loss of each head, summed over the labelled sequences of the batch.

        Neighbours of the same stride share one call, since on a GPU each waits for the device.
        """
        sums: list[Tensor] = []
        for steps, alike in groupby(heads, lambda head: head.log_probs.shape[1]):
            sums += self._ctc_of_stride(list(alike), batch, steps)
        return sums

    def _ctc_of_stride(
        self, heads: Sequence[Head | Output], batch: Batch, steps: int
    ) -> list[Tensor]:
        count, frames = len(heads), batch.features.shape[1]
        stride = next(s for s in STRIDES if -(-frames // s) == steps)
        losses = ctc_losses(
            torch.cat([head.log_probs for head in heads]) if count > 1 else heads[0].log_probs,
            torch.cat([head.lengths for head in heads]),
            batch.targets.repeat(count, 1),
            batch.target_lengths.repeat(count),
            lengths_on_host=output_lengths(batch.frames_on_host, stride).repeat(count),
            delay_penalty=self.delay_penalty,
            blank_margin=self.blank_margin,
        ).chunk(count)
        if self.some_unlabelled:
            labelled = (batch.targets > 0).any(1)
            return [own.where(labelled, 0.0).sum() for own in losses]
        return [own.sum() for own in losses]


def criterion(settings: Settings, factor: float = 1.0, progress: float = 0.0) -> Criterion:
    """The criterion of a run.

    Args:
        settings: of the run.
        factor: learning rate over its peak at this step; the delay penalty follows it.
        progress: share of all steps that are done; the weight of a teacher follows it.
    """
    soft, model = settings.distillation, settings.model
    return Criterion(
        auxiliary_weight=getattr(model, "auxiliary_weight", 0.0),
        consistency_weight=getattr(model, "consistency_weight", 0.0),
        delay_penalty=factor * settings.training.delay_penalty,
        blank_margin=settings.training.blank_margin,
        label_weight=1.0 - soft.weight_at(progress) if soft.has_teacher else 1.0,
        sequence_weight=soft.sequence_weight,
        sequence_hypotheses=soft.sequence_hypotheses,
        feature_matching_weight=soft.feature_matching_weight,
        self_distillation_weight=soft.self_distillation_weight,
        mean_teacher_weight=soft.mean_teacher_weight,
        soft=SoftTargets(
            soft.distillation_temperature,
            soft.distillation_frames,
            soft.distillation_blank,
            soft.teacher_shift,
        ),
        own=SoftTargets(soft.self_distillation_temperature, blank=False),
        early_stride=model.alignment_stride // model.output_stride,
        some_unlabelled=soft.unlabelled_split is not None,
    )


class Term(NamedTuple):
    """One part of the loss."""

    weight: float
    sum: Tensor
    """A scalar, summed over the sequences of the micro-batch; without the weight."""


def ctc(output: Output, batch: Batch, options: Criterion) -> dict[str, Term]:
    """CTC of all heads (Graves et al. 2006): by name, those of the CTC_TERMS that there are."""
    views = _views(output)
    early = [head for view in views for head in view.early_heads]
    sums = options.ctc([*views, *early], batch)
    terms = {"ctc": Term(options.label_weight, sums[0])}
    if output.second_view is not None:
        terms["second_view"] = Term(options.label_weight, sums[1])
    if early:
        weight = options.label_weight * options.auxiliary_weight
        terms["early_head"] = Term(weight, _sum(sums[len(views) :]))
    return terms


def consistency(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """Divergence between the two views of a sequence, the mean over its steps."""
    if output.second_view is None:
        return None
    each = divergence(output.log_probs, output.second_view.log_probs, output.lengths)
    return Term(options.consistency_weight, each.sum())


def distillation(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """The head that recognises learns a teacher's soft labels, in both views."""
    if batch.teacher is None:
        return None
    losses = [soft_loss(view, batch.teacher, options.soft) for view in _views(output)]
    return Term(1.0 - options.label_weight, _sum(losses))


def early_distillation(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """The heads before the recurrent part learn a teacher's soft labels, in both views."""
    if batch.teacher is None or not output.early_heads:
        return None
    losses = _early_losses(output, [batch.teacher] * 2, options.soft, options.early_stride)
    return Term((1.0 - options.label_weight) * options.auxiliary_weight, _sum(losses))


def sequence(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """CTC of what the teacher recognises, in both views."""
    if batch.teacher is None or not options.sequence_weight:
        return None
    said = hypotheses(batch.teacher, options.sequence_hypotheses)
    losses = [sequence_loss(view, batch.teacher, said) for view in _views(output)]
    return Term(options.sequence_weight, _sum(losses))


def feature_matching(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """What the final head reads becomes like what the teachers' heads read, in both views."""
    if batch.teacher is None or not options.feature_matching_weight:
        return None
    losses = [feature_loss(view, batch.teacher) for view in _views(output)]
    return Term(options.feature_matching_weight, _sum(losses))


def self_distillation(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """The heads before the recurrent part learn what the final one says, each in its view."""
    if not options.self_distillation_weight or not output.early_heads:
        return None
    own = [SoftLabels(view.log_probs.detach(), view.lengths) for view in _views(output)]
    losses = _early_losses(output, own, options.own, options.early_stride)
    return Term(options.self_distillation_weight, _sum(losses))


def mean_teacher(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """The head that recognises learns what the average of its weights says, in both views."""
    if batch.mean_teacher is None:
        return None
    losses = [soft_loss(view, batch.mean_teacher, options.own) for view in _views(output)]
    return Term(options.mean_teacher_weight, _sum(losses))


CTC_TERMS = ("ctc", "second_view", "early_head")
"""The head that recognises; the same on the second view; those before the recurrent part, in both
views."""
TERMS: tuple[Callable[[Output, Batch, Criterion], Term | None], ...] = (
    distillation,
    early_distillation,
    sequence,
    feature_matching,
    self_distillation,
    mean_teacher,
)
NAMES = (consistency.__name__, *CTC_TERMS, *(term.__name__ for term in TERMS))


def loss_terms(output: Output, batch: Batch, options: Criterion) -> dict[str, Term]:
    """The terms that an output has, by name, in the order of NAMES."""
    terms: dict[str, Term | None] = {"consistency": consistency(output, batch, options)}
    terms |= ctc(output, batch, options)
    terms |= {term.__name__: term(output, batch, options) for term in TERMS}
    return {name: term for name, term in terms.items() if term is not None}


def total(terms: dict[str, Term]) -> Tensor:
    """The weighted sum of the terms, a scalar."""
    return _sum([term.weight * term.sum for term in terms.values()])


def divergence(first: Tensor, second: Tensor, lengths: Tensor) -> Tensor:
    """Symmetric Kullback-Leibler divergence of each sequence, the mean over its own steps: [B].

    Args:
        first, second: [B, T', V] log-probabilities.
        lengths: [B] int64 valid steps.
    """
    each = ((first.exp() - second.exp()) * (first - second)).sum(dim=-1) / 2  # (B, T')
    mask = frame_mask(lengths, each.shape[1])
    return (each * mask).sum(dim=1) / lengths


def _views(output: Output) -> list[Output]:
    return [output] if output.second_view is None else [output, output.second_view]


def _early_losses(
    output: Output, labels: Sequence[SoftLabels], options: SoftTargets, stride: int
) -> list[Tensor]:
    """Losses of all early heads against the labels of their view."""
    return [
        soft_loss(head, own, options, coarser=stride)
        for view, own in zip(_views(output), labels, strict=False)
        for head in view.early_heads
    ]


def _sum(losses: list[Tensor]) -> Tensor:
    return sum(losses[1:], losses[0])
