"""Measures how much later a student says glosses than its teacher does.

A model trained with CTC says a gloss in a step or two, somewhere in the sign. Where that differs
between teacher and student, frame-level distillation teaches one thing and CTC another (Kim et al.
2024, "Guiding frame-level CTC alignments using self-knowledge distillation").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from slr_accel.labels.vocabulary import BLANK
from slr_accel.padding import frame_mask

FARTHEST = 25
"""Spikes of a gloss that are more steps apart are taken for different ones."""
NUM_OFFSETS = 2 * FARTHEST + 1


@torch.no_grad()
def spike_offsets(student: Tensor, teacher: Tensor, lengths: Tensor) -> Tensor:
    """Counts how many steps later the student says each gloss of the teacher: [NUM_OFFSETS]
    float32 on the device, from FARTHEST steps earlier on.

    A gloss of the teacher is paired with the student's nearest of the same token; those without
    one are not counted. Counts of several batches and processes can be added.

    Args:
        student, teacher: [B, T', V] log-probabilities.
        lengths: [B] int64.
    """
    ours, our_spikes = _spikes(student, lengths)
    theirs, their_spikes = _spikes(teacher, lengths)
    steps = torch.arange(ours.shape[1], device=ours.device)
    later = steps[None, None] - steps[None, :, None]  # (1, teacher's T', student's T')
    same = (theirs[:, :, None] == ours[:, None]) & our_spikes[:, None]
    distance = later.abs().where(same, FARTHEST + 1)
    nearest, where = distance.min(dim=2)  # (B, T')
    counts = their_spikes & (nearest <= FARTHEST)
    offset = (where - steps).clamp(-FARTHEST, FARTHEST) + FARTHEST
    found = torch.zeros(NUM_OFFSETS, device=ours.device)
    return found.scatter_add(0, offset.flatten(), counts.flatten().float())


def median_offset(counts: Sequence[float]) -> float | None:
    """The median of counted offsets in steps; None where there are none."""
    total = sum(counts)
    below = 0.0
    for offset, count in enumerate(counts, -FARTHEST):
        below += count
        if total and below >= total / 2:
            return float(offset)
    return None


def _spikes(log_probs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The best token of each step, and where a gloss begins: both [B, T']."""
    best = log_probs.argmax(-1)
    begins = torch.ones_like(best, dtype=torch.bool)
    begins[:, 1:] = best[:, 1:] != best[:, :-1]
    return best, begins & (best != BLANK) & frame_mask(lengths, best.shape[1])
