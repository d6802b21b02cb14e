"""Which rows a run trains and validates on, and their targets."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from slr_accel.corpus.labels import apply_policy
from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.vocabulary import Vocabulary, build_vocabulary
from slr_accel.loading.plan import alignable, plan, required_output_length, steps_per_epoch
from slr_accel.loading.splice import Piece, Source, splice
from slr_accel.settings import Settings

SPLICING = 1
"""Sets splicing's randomness apart from that of augmentation, which has the same seeds."""


@dataclass(frozen=True)
class TrainData:
    """The train split as the plan and the loader need it."""

    rows: np.ndarray
    """[N] row numbers of what CTC can align."""
    frames: np.ndarray
    """[N] frames of each, as loaded."""
    targets: dict[int, list[int]]
    """Token ids by row number."""
    sources: list[Source]
    """The same rows, as splicing needs them; segments only where it cuts."""
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
    unlabelled = _without_labels(corpus, train)
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} train sequences have no labels, the first is {unlabelled[0]}"
        )
    if settings.training.eval_split not in corpus.rows.split_names:
        raise ValueError(
            f"{corpus.folder} has no split {settings.training.eval_split!r} to validate on; name "
            f"one of {', '.join(sorted(corpus.rows.split_names))} with --eval_split"
        )
    rows = evaluation_rows(corpus, settings.training.eval_split)
    _check_lengths(settings, corpus, np.concatenate([train, rows]))


def evaluation_rows(corpus: Corpus, split: str) -> np.ndarray:
    """Rows of a split to score. ValueError where one has no labels."""
    rows = corpus.rows.of_split(split)
    unlabelled = _without_labels(corpus, rows)
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} sequences of the split {split!r} have no labels to score against, "
            f"the first is {unlabelled[0]}; `slr-accel predict` transcribes without labels"
        )
    return rows


def _without_labels(corpus: Corpus, rows: np.ndarray) -> list[str]:
    return [corpus.rows.id(row) for row in rows if not corpus.labels(row)]


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
    sources = [
        Source(
            int(row),
            int(count),
            targets[int(row)],
            target_segments(corpus, row) if settings.loading.crop_probability else None,
        )
        for row, count in zip(rows[fits], frames[fits], strict=True)
    ]
    return TrainData(rows[fits], frames[fits], targets, sources, dropped)


def target_segments(corpus: Corpus, row: int) -> list[tuple[int, int]] | None:
    """[start, end) of each label, where the corpus has segments that follow the labels."""
    segments = corpus.record(row)["segments"]
    if [segment["label"] for segment in segments] != corpus.labels(row):
        return None
    places = [(segment["start"], segment["end"]) for segment in segments]
    in_order = all(before[1] <= after[0] + 1 for before, after in pairwise(places))
    return places if in_order else None


@dataclass(frozen=True)
class Epoch:
    """What an epoch trains on, in its order."""

    plan: list[np.ndarray]
    """Micro-batches of row numbers."""
    targets: dict[int, list[int]]
    """Token ids by row number."""
    frames: dict[int, int]
    """Frames by row number."""
    pieces: dict[int, tuple[Piece, ...]]
    """What is read in place of a row, where that is not the row as it is."""


def make_epoch(settings: Settings, data: TrainData, epoch: int) -> Epoch:
    """The epoch's sequences, spliced, and their plan; a pure function of (seed, epoch)."""
    loading, seed = settings.loading, settings.training.seed
    targets, frames = data.targets, dict(zip(data.rows.tolist(), data.frames.tolist(), strict=True))
    pieces = {}
    if loading.crop_probability or loading.join_probability:
        spliced = {
            source.row: splice(
                source,
                data.sources,
                np.random.default_rng([seed, epoch, source.row, SPLICING]),
                crop_probability=loading.crop_probability,
                join_probability=loading.join_probability,
                output_stride=settings.model.output_stride,
            )
            for source in data.sources
        }
        targets = {row: s.targets for row, s in spliced.items()}
        frames = {row: s.frames for row, s in spliced.items()}
        pieces = {row: s.pieces for row, s in spliced.items()}
    lengths = np.array([frames[row] for row in data.rows.tolist()])
    batches = plan(
        np.ceil(lengths * settings.augmentation.time_stretch).astype(int),
        seed=seed,
        epoch=epoch,
        batch_size=loading.batch_size,
        batch_frames=loading.batch_frames,
        curriculum=epoch < loading.curriculum_epochs,
    )
    return Epoch([data.rows[positions] for positions in batches], targets, frames, pieces)


def count_steps(settings: Settings, data: TrainData, per_step: int) -> int:
    """Optimizer steps of all epochs."""
    epochs = settings.training.epochs
    if settings.loading.batch_frames is None:
        micro_batches = -(-len(data.rows) // settings.loading.batch_size)
        return epochs * steps_per_epoch(micro_batches, per_step)
    plans = (make_epoch(settings, data, epoch).plan for epoch in range(epochs))
    return sum(steps_per_epoch(len(batches), per_step) for batches in plans)
