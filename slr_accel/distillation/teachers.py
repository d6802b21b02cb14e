"""Asks trained models for the soft labels of a batch, while a student is trained.

Teachers are in evaluation mode and outside of what accelerate wraps: DDP, ZeRO and the student's
precision do not touch them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from slr_accel.distillation.cache_format import CACHE_FILE
from slr_accel.distillation.steps import features_on_student_steps, on_student_steps
from slr_accel.distillation.views import View, outputs_by_gloss, view_of
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.layout import Layout
from slr_accel.loading.batch import Batch, SoftLabels
from slr_accel.models.find import WEIGHTS_FILE, find_model
from slr_accel.models.folder import load_model
from slr_accel.models.recogniser import Output, Recogniser


@dataclass(frozen=True)
class Teacher:
    """One trained model that reads the corpus' rows and speaks in the student's vocabulary."""

    source: str
    model: Recogniser
    view: View | None
    outputs: Tensor | None
    """[V] its output for each of the student's; None where they are the same."""

    def output(self, batch: Batch) -> Output:
        """What it says of a batch, in the student's tokens."""
        features, presence = batch.features, batch.presence
        if self.view is not None:
            features = features[..., self.view.columns.to(features.device)]
            presence = presence[..., self.view.blocks.to(features.device)]
        output = self.model(features, presence, batch.lengths)
        if self.outputs is None:
            return output
        own = output.log_probs[..., self.outputs.to(features.device)]
        return output._replace(log_probs=own.log_softmax(-1))


@dataclass(frozen=True)
class Teachers:
    """Several teachers, whose probabilities are averaged."""

    each: Sequence[Teacher]
    student_stride: int
    precision: str = "no"
    """no or bf16."""
    keeps_features: bool = False

    @property
    def device(self) -> torch.device:
        return next(self.each[0].model.parameters()).device

    @torch.no_grad()
    def soft_labels(self, batch: Batch) -> SoftLabels:
        """The labels of a batch that was augmented, on the student's output steps."""
        stride = self.student_stride
        lengths = (batch.lengths + stride - 1).div(stride, rounding_mode="floor")
        steps = math.ceil(batch.features.shape[1] / stride)
        found: list[Tensor] = []
        features: list[Tensor] = []
        for teacher in self.each:
            with torch.autocast(
                batch.features.device.type, torch.bfloat16, enabled=self.precision == "bf16"
            ):
                output = teacher.output(batch)
            time = {
                "teacher_stride": teacher.model.output_stride,
                "student_stride": stride,
                "steps": steps,
            }
            found.append(on_student_steps(output.log_probs, output.lengths, **time))
            if self.keeps_features and output.features is not None:
                own = features_on_student_steps(output.features, output.lengths, **time)
                # So that each teacher counts alike, whatever the size of its features.
                features.append(functional.normalize(own.float(), dim=-1))
        return SoftLabels(
            found[0] if len(found) == 1 else torch.stack(found).logsumexp(0) - math.log(len(found)),
            lengths,
            torch.cat(features, dim=-1) if features else None,
        )

    def __call__(self, batch: Batch) -> Batch:
        return replace(batch, teacher=self.soft_labels(batch))


def load_teacher(
    source: str,
    *,
    layout: Layout,
    frames_per_second: float | None,
    vocabulary: Vocabulary,
    device: torch.device,
) -> Teacher:
    """Loads a teacher: a run's best checkpoint, a model folder or hf://OWNER/NAME.

    Args:
        layout, frames_per_second: of the corpus that it reads.
        vocabulary: of the student.

    Raises:
        ValueError: there is no model, it cannot read the corpus, or it lacks tokens.
    """
    if Path(source, CACHE_FILE).is_file():
        raise ValueError(f"teacher {source}: a cache of soft labels; give it as teacher_cache")
    model, own = load_model(find_model(source))
    try:
        view = view_of(model.features.layout, layout)
        outputs = outputs_by_gloss(own, vocabulary)
    except ValueError as error:
        raise ValueError(f"teacher {source}: {error}") from None
    model.features.read_at(frames_per_second)
    model.requires_grad_(False).eval()
    return Teacher(source, model.to(device), view, outputs)


def fingerprint(source: str) -> str:
    """Tells the weights of a model from those of any other: the start of their SHA-256."""
    path = Path(find_model(source), WEIGHTS_FILE)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ValueError(f"teacher {source}: {path} is not readable ({error.strerror})") from None
