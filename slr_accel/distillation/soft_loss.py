"""Computes what a student loses against soft labels, as sums over the sequences of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from slr_accel.ctc.beam import prefix_beam_search
from slr_accel.distillation.steps import best_shift, on_student_steps, selected, shifted
from slr_accel.labels.vocabulary import BLANK
from slr_accel.loading.batch import SoftLabels
from slr_accel.models.recogniser import Head, Output
from slr_accel.padding import frame_mask

SEARCHED = 10
"""Prefixes that a search for several hypotheses keeps at least."""


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

    A sequence counts by the mean of its steps times the tokens that the teacher says, so that the
    loss is of the size of CTC's. A sum over all steps would be ten times that, and leave CTC and
    the consistency loss no say.

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
    mask = selected(teacher, head.lengths, options.frames)
    each = divergence_from(
        head.log_probs, teacher, mask, temperature=options.temperature, blank=options.blank
    )
    return _as_large_as_ctc(each, mask, labels)


def feature_loss(output: Output, labels: SoftLabels) -> Tensor:
    """How far what the final head reads is from what the teachers' heads read, summed over the
    batch: a scalar. A sequence counts as in `soft_loss`.

    Romero et al. 2015, "FitNets: hints for thin deep nets", compare the two through a projection
    that is trained. This one is fixed and random, which keeps distances (Johnson & Lindenstrauss
    1984), and leaves nothing to save or to share between processes. Of a step it takes 1 - cosine,
    so that the size of the teacher's features does not matter.
    """
    assert output.features is not None and labels.features is not None
    ours, theirs = output.features.float(), labels.features
    projected = theirs @ projection(theirs.shape[-1], ours.shape[-1], ours.device)
    mask = frame_mask(output.lengths, ours.shape[1])
    each = (1 - functional.cosine_similarity(ours, projected, dim=-1)) * mask
    return _as_large_as_ctc(each.sum(1), mask, labels)


@lru_cache(maxsize=4)
def projection(teacher_width: int, student_width: int, device: torch.device) -> Tensor:
    """[C of the teachers, C of the student], everywhere the same; brought to a device once."""
    draws = torch.Generator().manual_seed(0)
    return torch.randn(teacher_width, student_width, generator=draws).to(device)


def _as_large_as_ctc(each: Tensor, mask: Tensor, labels: SoftLabels) -> Tensor:
    """The mean over the steps of `mask`, times the tokens that the teacher says, summed."""
    tokens = best_tokens(labels.log_probs, labels.lengths)[1].clamp(min=1)
    return (each / mask.sum(1).clamp(min=1) * tokens).sum()


class Hypotheses(NamedTuple):
    """What a teacher recognises in each sequence: N hypotheses, the best first."""

    tokens: Tensor
    """[B, N, U] int64, padded with 0."""
    lengths: Tensor
    """[B, N] int64 tokens."""
    weights: Tensor
    """[B, N] float32: how much each counts; 0 where there are fewer."""


@torch.no_grad()
def hypotheses(labels: SoftLabels, count: int) -> Hypotheses:
    """The teacher's hypotheses on the student's steps, where each can be aligned.

    One is the greedy hypothesis, which counts by its probability. Several come of a beam search on
    the host, and share a weight of 1 by their probabilities.
    """
    if count == 1:
        tokens, lengths = best_tokens(labels.log_probs, labels.lengths)
        losses = _ctc(labels.log_probs, labels.lengths, tokens, lengths)
        return Hypotheses(tokens[:, None], lengths[:, None], (-losses).exp()[:, None])
    # A prefix that is kept to the end need not be one of the few best of a narrow beam.
    found = prefix_beam_search(labels.log_probs, labels.lengths, beam=max(count, SEARCHED))
    best = [scored[:count] for scored in found]
    longest = max(len(s.tokens) for own in best for s in own)
    tokens = torch.zeros(len(best), count, max(longest, 1), dtype=torch.long)
    lengths = torch.zeros(len(best), count, dtype=torch.long)
    scores = torch.full((len(best), count), -torch.inf)
    for i, own in enumerate(best):
        for n, scored in enumerate(own):
            lengths[i, n], scores[i, n] = len(scored.tokens), scored.log_prob
            tokens[i, n, : len(scored.tokens)] = torch.tensor(scored.tokens)
    device = labels.log_probs.device
    return Hypotheses(tokens.to(device), lengths.to(device), scores.softmax(-1).to(device))


def sequence_loss(head: Head | Output, labels: SoftLabels, said: Hypotheses) -> Tensor:
    """CTC of what the teacher recognises, by weight, summed over the batch: a scalar.

    Kim & Rush 2016, "Sequence-level knowledge distillation".
    """
    count = said.lengths.shape[1]
    losses = _ctc(
        head.log_probs.repeat_interleave(count, 0),
        labels.lengths.repeat_interleave(count),
        said.tokens.flatten(0, 1),
        said.lengths.flatten(),
    )
    counts = said.weights.flatten() > 0  # those that are not there may not fit either
    return (said.weights.flatten() * losses.where(counts, 0.0)).sum()


def _ctc(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor) -> Tensor:
    """-log p of each sequence: [B] float32."""
    return functional.ctc_loss(
        log_probs.float().transpose(0, 1),
        tokens,
        lengths,
        token_lengths,
        blank=BLANK,
        reduction="none",
    )


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
