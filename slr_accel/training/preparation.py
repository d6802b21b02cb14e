"""Prepares batches for a step: augments them, and adds what teachers say of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from slr_accel.corpus.reader import Corpus
from slr_accel.distillation.mean_teacher import MeanTeacher
from slr_accel.distillation.teachers import Teachers, fingerprint, load_teacher
from slr_accel.features.augmentation import Augmentation
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.batch import Batch
from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.taught_by import keep_teachers
from slr_accel.settings.run import Settings


@dataclass(frozen=True)
class Preparation:
    """What becomes of a batch between the reader and the model."""

    augmentation: Augmentation
    teachers: Sequence[Callable[[Batch], Batch]] = ()

    def drawn(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """In the reader's thread, on the host: attaches what a pass needs that is not computed."""
        return self.augmentation.drawn(batch, seed=seed, epoch=epoch)

    def __call__(self, batch: Batch) -> Batch:
        """On the device."""
        batch = self.augmentation(batch)
        for teacher in self.teachers:
            batch = teacher(batch)
        return batch


def make_teachers(
    accelerator: Any,
    settings: Settings,
    corpus: Corpus,
    run: RunFolder,
    vocabulary: Vocabulary,
    model: Recogniser,
    average: dict[str, Tensor] | None,
) -> list[Callable[[Batch], Batch]]:
    """The teachers that the settings name.

    Args:
        model: the student, before it is wrapped.
        average: the moving average of its weights.

    Raises:
        ValueError: a teacher cannot be used, or is another one than before.
    """
    options, device = settings.distillation, accelerator.device
    marks = {source: fingerprint(source) for source in options.teacher}
    keep_teachers(run, marks, is_main=accelerator.is_main_process)
    teachers: list[Callable[[Batch], Batch]] = []
    if options.teacher:
        each = [
            load_teacher(
                source,
                layout=corpus.layout,
                frames_per_second=corpus.info.frames_per_second,
                vocabulary=vocabulary,
                device=device,
            )
            for source in options.teacher
        ]
        teachers.append(
            Teachers(each, model.output_stride, options.teacher_precision, options.teacher_shift)
        )
    if options.mean_teacher_weight:
        if average is None:
            raise ValueError("mean_teacher_weight needs ema_decay, e.g. --ema_decay 0.99")
        teachers.append(MeanTeacher(copy.deepcopy(model).requires_grad_(False).eval(), average))
    return teachers
