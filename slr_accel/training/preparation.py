"""Prepares batches for a step: augments them, and adds what teachers say of them."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slr_accel.corpus.reader import Corpus
from slr_accel.distillation.cache import TeacherCache, open_cache
from slr_accel.distillation.mean_teacher import MeanTeacher
from slr_accel.distillation.teachers import Teachers, fingerprint, load_teacher
from slr_accel.features.augmentation import Augmentation
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.batch import Batch
from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.taught_by import keep_teachers
from slr_accel.settings.run import Settings
from slr_accel.training.data import TrainData

LOADING = (
    *("max_frames", "dynamic_truncation", "num_train_samples"),
    *("crop_probability", "join_probability"),
)
"""Settings of loading that change what a sequence is."""


def belongs_to(
    settings: Settings, corpus: Corpus, vocabulary: Vocabulary, rows: np.ndarray
) -> dict[str, Any]:
    """What the labels of a cache depend on beside the teachers, by name; of plain types."""
    tokens = "\n".join(vocabulary.tokens).encode()
    return {
        "corpus": corpus.info.fingerprint,
        "vocabulary": hashlib.sha256(tokens).hexdigest()[:16],
        "rows": hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()[:16],
        "seed": settings.training.seed,
        "label_policy": settings.training.label_policy,
        "output_stride": settings.model.output_stride,
        "alignment_stride": settings.model.alignment_stride,
        **{name: getattr(settings.loading, name) for name in LOADING},
        **settings.augmentation.model_dump(mode="json"),
    }


@dataclass(frozen=True)
class Preparation:
    """What becomes of a batch between the reader and the model."""

    augmentation: Augmentation
    teachers: Sequence[Callable[[Batch], Batch]] = ()
    cache: TeacherCache | None = None

    def drawn(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """In the reader's thread, on the host: attaches draws and cached soft labels."""
        if self.cache is None:
            return self.augmentation.drawn(batch, seed=seed, epoch=epoch)
        batch = self.augmentation.drawn(batch, seed=seed, epoch=self.cache.view(epoch))
        return self.cache.attached(batch, epoch)

    def __call__(self, batch: Batch) -> Batch:
        """On the device."""
        batch = self.augmentation(batch)
        for teacher in self.teachers:
            batch = teacher(batch)
        return batch


def cache_of(
    settings: Settings, corpus: Corpus, vocabulary: Vocabulary, data: TrainData
) -> TeacherCache | None:
    """The cache that the settings name. Raises ValueError where it does not belong to the run."""
    folder = settings.distillation.teacher_cache
    if folder is None:
        return None
    wanted = belongs_to(settings, corpus, vocabulary, data.rows)
    rows, stride = data.rows.tolist(), settings.model.output_stride
    return open_cache(Path(folder), wanted, rows, stride)


def make_teachers(
    accelerator: Any,
    settings: Settings,
    corpus: Corpus,
    run: RunFolder,
    vocabulary: Vocabulary,
    model: Recogniser,
    average: dict[str, Tensor] | None,
    cache: TeacherCache | None,
) -> list[Callable[[Batch], Batch]]:
    """The teachers that the settings name.

    Args:
        model: the student, before it is wrapped.
        average: the moving average of its weights.
        cache: of a teacher's labels.

    Raises:
        ValueError: a teacher is another one than before.
    """
    options, device = settings.distillation, accelerator.device
    marks = {source: fingerprint(source) for source in options.teacher}
    if cache is not None:
        marks[str(cache.folder)] = cache.info.fingerprint
    keep_teachers(run, marks, is_main=accelerator.is_main_process)
    teachers: list[Callable[[Batch], Batch]] = []
    if options.teacher:
        teachers.append(load_teachers(settings, corpus, vocabulary, device))
    if options.mean_teacher_weight:
        assert average is not None  # check_teaching
        teachers.append(MeanTeacher(copy.deepcopy(model).requires_grad_(False).eval(), average))
    return teachers


def load_teachers(
    settings: Settings, corpus: Corpus, vocabulary: Vocabulary, device: torch.device
) -> Teachers:
    """The teachers that the settings name, to be averaged. Raises ValueError as load_teacher."""
    options = settings.distillation
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
    return Teachers(
        each,
        settings.model.output_stride,
        options.teacher_precision,
        keeps_features=options.feature_matching_weight > 0,
    )


def check_teaching(
    settings: Settings, corpus: Corpus, vocabulary: Vocabulary, data: TrainData
) -> None:
    """Raises ValueError where what is to teach cannot, before a folder is made a run."""
    cache_of(settings, corpus, vocabulary, data)
    load_teachers(settings, corpus, vocabulary, torch.device("cpu"))
    if settings.distillation.mean_teacher_weight and not settings.training.ema_decay:
        raise ValueError("mean_teacher_weight needs ema_decay, e.g. --ema_decay 0.99")
