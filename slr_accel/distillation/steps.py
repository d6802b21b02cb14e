"""Brings a teacher's posteriors to the student's output steps, and selects those that teach.

Everything is a function of tensors on one device; the host reads nothing back.
"""

from __future__ import annotations

import torch
from torch import Tensor

from slr_accel.labels.vocabulary import BLANK
from slr_accel.padding import frame_mask, frames_at


def on_student_steps(
    log_probs: Tensor, lengths: Tensor, *, teacher_stride: int, student_stride: int, steps: int
) -> Tensor:
    """Resamples a teacher's posteriors in time: [B, steps, V].

    Between the teacher's steps it interpolates probabilities. Where the student has fewer steps,
    each takes the least blank of the teacher's steps that it covers, so that no gloss gets lost.

    Args:
        log_probs: [B, T', V] of the teacher.
        lengths: [B] int64 valid steps of the teacher.
        teacher_stride, student_stride: input frames per output step; one divides the other.
        steps: padded output steps of the student.
    """
    if teacher_stride == student_stride:
        return log_probs
    last = lengths[:, None] - 1  # (B, 1)
    position = torch.arange(steps, device=log_probs.device)
    if student_stride > teacher_stride:
        covered = position[:, None] * (student_stride // teacher_stride) + torch.arange(
            student_stride // teacher_stride, device=log_probs.device
        )
        index = covered.flatten()[None].minimum(last)  # (B, steps * ratio)
        blank = log_probs[..., BLANK].gather(1, index).unflatten(1, covered.shape)
        least = index.unflatten(1, covered.shape).gather(2, blank.argmin(2, keepdim=True))
        return frames_at(log_probs, least[..., 0])
    centre = (position + 0.5) * (student_stride / teacher_stride) - 0.5
    place = centre[None].clamp(min=0).minimum(last.to(centre.dtype))
    lower = place.floor().long()
    share = (place - lower)[..., None]  # (B, steps, 1)
    return torch.logaddexp(
        frames_at(log_probs, lower) + (1 - share).log(),
        frames_at(log_probs, (lower + 1).minimum(last)) + share.log(),
    )


def features_on_student_steps(
    features: Tensor, lengths: Tensor, *, teacher_stride: int, student_stride: int, steps: int
) -> Tensor:
    """The teacher's features [B, T', C] at its steps in the middle of the student's: [B, steps, C].

    Arguments as `on_student_steps`.
    """
    if teacher_stride == student_stride:
        return features
    position = torch.arange(steps, device=features.device)
    middle = ((2 * position + 1) * student_stride) // (2 * teacher_stride)
    return frames_at(features, middle.minimum(lengths[:, None] - 1))


def shifted(log_probs: Tensor, lengths: Tensor, shift: Tensor) -> Tensor:
    """Moves each sequence's posteriors later by `shift` [B] steps; the first or last one fills the
    gap."""
    steps = torch.arange(log_probs.shape[1], device=log_probs.device)
    index = (steps - shift[:, None]).clamp(min=0).minimum(lengths[:, None] - 1)
    return frames_at(log_probs, index)


def best_shift(student: Tensor, teacher: Tensor, lengths: Tensor, window: int) -> Tensor:
    """The shift of each sequence, [B] int64 of at most `window` steps, by which the teacher's
    posteriors come nearest to the student's (least Kullback-Leibler divergence).

    Of equally good shifts it is the smallest. It depends on the present outputs alone.
    """
    mask = frame_mask(lengths, student.shape[1])
    candidates = sorted(range(-window, window + 1), key=abs)
    costs = []
    with torch.no_grad():
        for steps in candidates:
            moved = shifted(teacher, lengths, torch.full_like(lengths, steps))
            each = (moved.exp() * (moved - student)).sum(-1)
            costs.append((each * mask).sum(1))
    shifts = torch.tensor(candidates, device=student.device)
    # argmin returns any of equal values; the first is wanted.
    cost = torch.stack(costs)  # (candidates, B)
    first = (cost == cost.min(dim=0).values).int().cumsum(0).eq(0).sum(0)
    return shifts[first]


def selected(teacher: Tensor, lengths: Tensor, which: str) -> Tensor:
    """[B, T'] bool: the steps that teach.

    `non_blank` are those at which the teacher's best token is a gloss. `symmetric` adds as many
    blank steps, the nearest to these (after Hilmes et al. 2025, "Analyzing the importance of blank
    for CTC-based knowledge distillation").

    Args:
        teacher: [B, T', V] on the student's steps.
        lengths: [B] int64.
        which: all, non_blank or symmetric.
    """
    valid = frame_mask(lengths, teacher.shape[1])
    if which == "all":
        return valid
    spikes = (teacher.argmax(-1) != BLANK) & valid
    if which == "non_blank":
        return spikes
    blanks = valid & ~spikes
    far = 2 * teacher.shape[1]
    distance = _distance(spikes, far).masked_fill(~blanks, far)
    rank = distance.argsort(dim=1, stable=True).argsort(dim=1)
    return spikes | (blanks & (rank < spikes.sum(1, keepdim=True)))


def _distance(spikes: Tensor, far: int) -> Tensor:
    """Steps from each step to the nearest spike, [B, T'] int64; `far` where there is none."""
    steps = torch.arange(spikes.shape[1], device=spikes.device)
    before = torch.where(spikes, steps, -far).cummax(1).values
    after = torch.where(spikes, steps, 2 * far).flip(1).cummin(1).values.flip(1)
    return (steps - before).minimum(after - steps).clamp(max=far)
