"""Lets the moving average of a student's own weights teach it.

Tarvainen & Valpola 2017, "Mean teachers are better role models".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import functional_call

from slr_accel.loading.batch import Batch, SoftLabels
from slr_accel.models.recogniser import Recogniser


@dataclass(frozen=True)
class MeanTeacher:
    """The model in evaluation mode with its averaged weights, which a run moves elsewhere."""

    model: Recogniser
    """A copy: the trained one stays in training mode, and in its wrapping."""
    average: dict[str, Tensor]

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Batch:
        inputs = (batch.features, batch.presence, batch.lengths)
        output = functional_call(self.model, self.average, inputs)
        return replace(batch, mean_teacher=SoftLabels(output.log_probs, output.lengths))
