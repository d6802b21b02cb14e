"""Computes the loss terms of a micro-batch: named sums over its sequences, each with its weight.

A step adds the weighted terms and divides once, by the number of targets of all its micro-batches.
`ctc` is logged as `loss`, every other term as `loss_NAME`, without its weight. A new term is a
function below and its place in TERMS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from slr_accel.ctc.loss import ctc_loss
from slr_accel.distillation.soft_loss import (
    SoftTargets,
    feature_loss,
    hypotheses,
    sequence_loss,
    soft_loss,
)
from slr_accel.loading.batch import Batch, SoftLabels
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

    def ctc(self, head: Head | Output, batch: Batch) -> Tensor:
        """The CTC loss of one head, summed over the labelled sequences of the batch."""
        log_probs, lengths = head.log_probs, head.lengths
        targets, target_lengths = batch.targets, batch.target_lengths
        if self.some_unlabelled:
            labelled = target_lengths > 0
            if not labelled.any():
                return log_probs.sum() * 0
            log_probs, lengths = log_probs[labelled], lengths[labelled]
            targets, target_lengths = targets[labelled], target_lengths[labelled]
        return ctc_loss(
            log_probs,
            lengths,
            targets,
            target_lengths,
            delay_penalty=self.delay_penalty,
            blank_margin=self.blank_margin,
        )


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


def ctc(output: Output, batch: Batch, options: Criterion) -> Term:
    """CTC of the head that recognises (Graves et al. 2006)."""
    return Term(options.label_weight, options.ctc(output, batch))


def second_view(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """CTC of the same head on the second view of the batch."""
    if output.second_view is None:
        return None
    return Term(options.label_weight, options.ctc(output.second_view, batch))


def early_head(output: Output, batch: Batch, options: Criterion) -> Term | None:
    """CTC of the heads before the recurrent part, in both views."""
    losses = [options.ctc(head, batch) for view in _views(output) for head in view.early_heads]
    weight = options.label_weight * options.auxiliary_weight
    return Term(weight, _sum(losses)) if losses else None


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


TERMS: tuple[Callable[[Output, Batch, Criterion], Term | None], ...] = (
    consistency,
    ctc,
    second_view,
    early_head,
    distillation,
    early_distillation,
    sequence,
    feature_matching,
    self_distillation,
    mean_teacher,
)
NAMES = tuple(term.__name__ for term in TERMS)


def loss_terms(output: Output, batch: Batch, options: Criterion) -> dict[str, Term]:
    """The terms that an output has, by name."""
    terms = ((name, term(output, batch, options)) for name, term in zip(NAMES, TERMS, strict=True))
    return {name: term for name, term in terms if term is not None}


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
