"""Computes what a student loses against soft labels, as sums over the sequences of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from slr_accel.distillation.steps import best_shift, on_student_steps, selected, shifted
from slr_accel.labels.vocabulary import BLANK
from slr_accel.loading.batch import SoftLabels
from slr_accel.models.recogniser import Head, Output
from slr_accel.padding import frame_mask


@dataclass(frozen=True)
class SoftTargets:
    """How soft labels teach."""

    temperature: float = 3.0
    frames: str = "all"
    """all, non_blank or symmetric."""
    blank: bool = True
    shift: int = 0
    """Steps by which the labels of a sequence may be moved."""


def divergence_from(
    student: Tensor, teacher: Tensor, mask: Tensor, *, temperature: float, blank: bool
) -> Tensor:
    """T^2 KL(teacher || student) of softened posteriors, summed over steps: [B].

    Hinton et al. 2015, "Distilling the knowledge in a neural network". Without blank it is that of
    VAC (Min et al. 2021, "Visual alignment constraint for continuous sign language recognition"):
    the column is dropped, and what is left is normalised.

    Args:
        student, teacher: [B, T', V] log-probabilities; the gradient goes to the student.
        mask: [B, T'] bool, the steps that count.
    """
    first = 0 if blank else BLANK + 1
    ours = (student[..., first:] / temperature).log_softmax(-1)
    theirs = (teacher.detach()[..., first:] / temperature).log_softmax(-1)
    each = (theirs.exp() * (theirs - ours)).sum(-1)
    return temperature**2 * (each * mask).sum(1)


def soft_loss(
    head: Head | Output, labels: SoftLabels, options: SoftTargets, *, coarser: int = 1
) -> Tensor:
    """The loss of one head against soft labels, summed over the batch: a scalar.

    Args:
        head: what learns.
        labels: on the output steps of the model.
        options: which steps and how.
        coarser: output steps of the model in a step of the head.
    """
    teacher = on_student_steps(
        labels.log_probs,
        labels.lengths,
        teacher_stride=1,
        student_stride=coarser,
        steps=head.log_probs.shape[1],
    )
    if options.shift:
        shift = best_shift(head.log_probs.detach(), teacher, head.lengths, options.shift)
        teacher = shifted(teacher, head.lengths, shift)
    return divergence_from(
        head.log_probs,
        teacher,
        selected(teacher, head.lengths, options.frames),
        temperature=options.temperature,
        blank=options.blank,
    ).sum()


def sequence_loss(head: Head | Output, labels: SoftLabels) -> Tensor:
    """CTC of what the teacher recognises, each sequence weighted by how probable the teacher finds
    it, summed over the batch (Kim & Rush 2016, "Sequence-level knowledge distillation").

    The hypothesis is the greedy one on the student's steps, so that it can always be aligned.
    """
    targets, target_lengths = best_tokens(labels.log_probs, labels.lengths)

    def each(log_probs: Tensor) -> Tensor:
        return torch.nn.functional.ctc_loss(
            log_probs.float().transpose(0, 1),
            targets,
            labels.lengths,
            target_lengths,
            blank=BLANK,
            reduction="none",
        )

    with torch.no_grad():
        posterior = (-each(labels.log_probs)).exp()
    return (posterior * each(head.log_probs)).sum()


def best_tokens(log_probs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Greedy hypotheses without a copy to the host: tokens [B, U] padded with 0, lengths [B]."""
    best = log_probs.argmax(-1)
    valid = frame_mask(lengths, best.shape[1])
    changed = torch.ones_like(valid)
    changed[:, 1:] = best[:, 1:] != best[:, :-1]
    kept = changed & valid & (best != BLANK)
    # Kept tokens move to the front, in their order; the others go to a last column that is cut off.
    place = torch.where(kept, kept.cumsum(1) - 1, best.shape[1])
    tokens = best.new_zeros(len(best), best.shape[1] + 1).scatter(1, place, best)
    return tokens[:, :-1], kept.sum(1)
