"""Makes a teacher cache: the soft labels of the sequences as a student's run will see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from slr_accel.corpus.reader import Corpus
from slr_accel.distillation.cache import start_cache, write_part
from slr_accel.distillation.cache_format import CacheInfo, part_path
from slr_accel.distillation.teachers import Teachers, fingerprint
from slr_accel.errors import Interrupted
from slr_accel.features.augmentation import Augmentation
from slr_accel.features.statistics import train_statistics
from slr_accel.loading.loader import read_ahead
from slr_accel.progress import Progress
from slr_accel.settings.run import Settings
from slr_accel.training.data import (
    TrainData,
    make_epoch,
    make_vocabulary,
    statistics_rows,
    train_data,
)
from slr_accel.training.preparation import belongs_to, load_teachers
from slr_accel.training.start import make_transform


def make_cache(
    folder: Path,
    settings: Settings,
    corpus: Corpus,
    *,
    views: int,
    top_k: int,
    shard: tuple[int, int],
    device: torch.device,
    track: Progress,
    stops: Callable[[], bool],
) -> CacheInfo:
    """Writes the files that are missing of this shard's.

    Args:
        settings: of the student's run, with its teachers.
        views: epochs whose augmentation is cached.
        top_k: tokens kept of an output step.
        shard: (i, n): of n parts of the work the i-th, from 1 on.
        stops: asked between two batches.

    Raises:
        Interrupted: `stops` said so; the same call continues.
        ValueError: a teacher or the folder cannot be used.
    """
    vocabulary = make_vocabulary(settings, corpus)
    data = train_data(settings, corpus, vocabulary)
    sources = settings.distillation.teacher
    teachers = load_teachers(settings, corpus, vocabulary, device)
    info = CacheInfo(
        views=views,
        top_k=min(top_k, vocabulary.num_outputs),
        num_outputs=vocabulary.num_outputs,
        rows=len(data.rows),
        teachers={source: fingerprint(source) for source in sources},
        belongs_to=belongs_to(settings, corpus, vocabulary, data.rows),
    )
    start_cache(folder, info)
    index, count = shard
    own = [key for key in info.parts[index - 1 :: count] if not part_path(folder, *key).is_file()]
    augmentation = make_augmentation(settings, corpus, data).to(device)
    for view, part in track(own, "teaching", len(own)):
        rows = data.rows[info.positions(part)]
        labels = _labels(settings, corpus, data, teachers, augmentation, rows, view, stops)
        write_part(part_path(folder, view, part), rows.tolist(), labels, info.top_k)
    return info


def make_augmentation(settings: Settings, corpus: Corpus, data: TrainData) -> Augmentation:
    """As the student's run makes it."""
    statistics = train_statistics(
        make_transform(settings, corpus),
        corpus,
        statistics_rows(settings, corpus, data),
        settings.loading.max_frames,
    )
    return Augmentation(
        corpus.layout,
        settings.augmentation,
        settings.model.alignment_stride,
        statistics["column_deviation"],
    )


def _labels(
    settings: Settings,
    corpus: Corpus,
    data: TrainData,
    teachers: Teachers,
    augmentation: Augmentation,
    rows: np.ndarray,
    view: int,
    stops: Callable[[], bool],
) -> Sequence[np.ndarray]:
    """The labels of the rows in a view, [T', V] each, in the order of the rows."""
    epoch, seed, device = make_epoch(settings, data, view), settings.training.seed, teachers.device
    frames = np.array([epoch.frames[row] for row in rows.tolist()])
    order, size = np.argsort(frames, kind="stable"), 4 * settings.loading.batch_size
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    read = read_ahead(
        corpus,
        (rows[positions] for positions in batches),
        epoch.targets,
        settings.loading.max_frames,
        epoch.pieces,
        finish=lambda batch: augmentation.drawn(batch, seed=seed, epoch=view),
    )
    for positions, batch in zip(batches, read, strict=True):
        if stops():
            raise Interrupted
        labels = teachers.soft_labels(augmentation(batch.to(device)))
        lengths, log_probs = labels.lengths.tolist(), labels.log_probs.cpu().numpy()
        for position, own, length in zip(positions, log_probs, lengths, strict=True):
            found[position] = own[:length]
    return found
