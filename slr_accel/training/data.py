"""Which rows a run trains and validates on, and their targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slr_accel.corpus.labels import apply_policy
from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.vocabulary import Vocabulary, build_vocabulary
from slr_accel.loading.plan import alignable, plan, required_output_length
from slr_accel.settings import Settings


@dataclass(frozen=True)
class TrainData:
    """The train split as the plan and the loader need it."""

    rows: np.ndarray
    """[N] row numbers of what CTC can align."""
    frames: np.ndarray
    """[N] frames of each, as loaded."""
    targets: dict[int, list[int]]
    """Token ids by row number."""
    dropped: str | None
    """What was left out, and why."""


def check_splits(settings: Settings, corpus: Corpus) -> None:
    """Raises ValueError, before anything slow, where the corpus lacks what the run needs."""
    wanted, found = settings.training.layout, corpus.layout.signature
    if wanted is not None and wanted != found:
        raise ValueError(
            f"this recipe is made for the layout ({wanted}), but {corpus.folder} has ({found}); "
            "prepare a corpus of that layout:\n"
            "  slr-accel prepare manifest --index INDEX.jsonl --layout LAYOUT.json --out FOLDER"
        )
    train = corpus.rows.of_split("train")
    unlabelled = [corpus.rows.id(row) for row in train if not corpus.labels(row)]
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} train sequences have no labels, the first is {unlabelled[0]}"
        )
    rows = evaluation_rows(corpus, settings.training.eval_split)
    _check_lengths(settings, corpus, np.concatenate([train, rows]))


def evaluation_rows(corpus: Corpus, split: str) -> np.ndarray:
    """Rows of a split to score. ValueError where one has no labels."""
    rows = corpus.rows.of_split(split)
    unlabelled = [corpus.rows.id(row) for row in rows if not corpus.labels(row)]
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} sequences of the split {split!r} have no labels to score against, "
            f"the first is {unlabelled[0]}; `slr-accel predict` transcribes without labels"
        )
    return rows


def _check_lengths(settings: Settings, corpus: Corpus, rows: np.ndarray) -> None:
    most = settings.loading.max_frames
    if most is None or settings.loading.dynamic_truncation:
        return
    longest = rows[corpus.rows.frames[rows].argmax()]
    frames = int(corpus.rows.frames[longest])
    if frames > most:
        raise ValueError(
            f"{corpus.rows.id(longest)} has {frames} frames, more than max_frames {most}; "
            "raise it, or add --dynamic_truncation to subsample long sequences in time"
        )


def policy_labels(corpus: Corpus, row: int, policy: str) -> list[str]:
    return apply_policy(policy, corpus.labels(row))


def make_vocabulary(settings: Settings, corpus: Corpus) -> Vocabulary:
    """From the whole train split, whatever part of it is trained on."""
    policy = settings.training.label_policy
    rows = corpus.rows.of_split("train")
    return build_vocabulary((policy_labels(corpus, row, policy) for row in rows), policy)


def train_data(
    settings: Settings, corpus: Corpus, vocabulary: Vocabulary, output_stride: int
) -> TrainData:
    """Rows and targets of training. ValueError where nothing can be aligned."""
    rows = corpus.rows.of_split("train")
    wanted = settings.loading.num_train_samples
    if wanted is not None and wanted < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, wanted).round().astype(int)]
    frames = corpus.rows.frames[rows]
    if settings.loading.max_frames is not None:
        frames = np.minimum(frames, settings.loading.max_frames)
    targets = {
        int(row): vocabulary.encode(policy_labels(corpus, row, vocabulary.label_policy))
        for row in rows
    }
    required = np.array([required_output_length(targets[int(row)]) for row in rows])
    fits, reason = alignable(frames, required, output_stride)
    dropped = None
    if not fits.all():
        names = ", ".join(corpus.rows.id(row) for row in rows[~fits][:5])
        dropped = f"{(~fits).sum()} of {len(rows)} sequences left out, {reason}: {names}, ..."
    if not fits.any():
        raise ValueError(f"no train sequence can be aligned: {dropped}")
    return TrainData(rows[fits], frames[fits], targets, dropped)


def epoch_plan(settings: Settings, data: TrainData, epoch: int) -> list[np.ndarray]:
    """The micro-batches of an epoch, as row numbers."""
    stretched = np.ceil(data.frames * settings.augmentation.time_stretch).astype(int)
    batches = plan(
        stretched,
        seed=settings.training.seed,
        epoch=epoch,
        batch_size=settings.loading.batch_size,
        batch_frames=settings.loading.batch_frames,
        curriculum=epoch < settings.loading.curriculum_epochs,
    )
    return [data.rows[positions] for positions in batches]
