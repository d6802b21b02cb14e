"""Selects the rows that a run trains and validates on, and makes their targets and epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import fit_labels
from slr_accel.corpus.split_names import hint_at_case, how_to_validate
from slr_accel.distillation.unlabelled import unlabelled_rows
from slr_accel.labels.policies import separator, train_labels
from slr_accel.labels.vocabulary import Vocabulary, build_vocabulary
from slr_accel.loading.plan import (
    alignable,
    plan,
    required_output_length,
    steps_per_epoch,
    train_windows,
)
from slr_accel.loading.splice import Piece, Source, splice
from slr_accel.progress import Progress
from slr_accel.scoring.references import evaluation_rows, ids_without_labels
from slr_accel.settings.run import Settings

SPLICING = 1
"""Separates the random numbers of splicing from those of augmentation, whose seeds are equal."""


@dataclass(frozen=True)
class TrainData:
    """The train split as the plan and the loader need it."""

    rows: np.ndarray
    """[N] row numbers of what CTC can align."""
    frames: np.ndarray
    """[N] frames of each, as loaded."""
    shards: np.ndarray
    """[N] number of the shard that each lies in."""
    targets: dict[int, list[int]]
    """Token ids by row number; none for rows that soft labels alone teach."""
    sources: list[Source]
    """The labelled rows, as splicing needs them; segments only where it cuts."""
    separator: list[int]
    """Token ids that come between sentences joined by splicing."""
    dropped: list[str]
    """A text for each reason for which rows were left out."""
    views: int | None = None
    """Epochs whose splicing and augmentation are repeated in turn; None: each has its own."""

    def view(self, epoch: int) -> int:
        """The epoch whose splicing and augmentation an epoch has."""
        return epoch if self.views is None else epoch % self.views


def check_splits(settings: Settings, corpus: Corpus) -> None:
    """Raises ValueError, before anything slow, where the corpus lacks what the run needs."""
    wanted, found = settings.training.layout, corpus.layout.signature
    if wanted is not None and wanted != found:
        raise ValueError(
            f"this recipe is made for the layout ({wanted}), but {corpus.address} has ({found}); "
            "prepare a corpus of that layout (`slr-accel prepare --help` names the sources), e.g.\n"
            "  slr-accel prepare manifest --index INDEX.jsonl --layout LAYOUT.json --out FOLDER"
        )
    problems = settings.augmentation.problems_with(corpus.layout)
    if problems:
        raise ValueError(
            f"these settings cannot be used with {corpus.address} ({found}):\n  "
            + "\n  ".join(problems)
        )
    train = corpus.rows.of_split("train")
    unlabelled = ids_without_labels(corpus, train)
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} train sequences have no labels, the first is {unlabelled[0]}"
        )
    wanted, names = settings.training.eval_split, sorted(corpus.rows.split_names)
    if wanted not in names:
        raise ValueError(
            f"{corpus.address} has no split {wanted!r} to validate on; it has: {', '.join(names)}"
            f"{hint_at_case(wanted, names)}; {how_to_validate(wanted, names)}"
        )
    rows = evaluation_rows(corpus, wanted)
    if not len(rows):
        raise ValueError(
            f"the split {wanted!r} of {corpus.address} has no sequences to validate on; give "
            "another --eval_split, or prepare the corpus anew"
        )
    further = settings.distillation.unlabelled_split
    extra = corpus.rows.of_split(further) if further in names else train[:0]
    _check_lengths(settings, corpus, np.concatenate([train, rows, extra]))


def _check_lengths(settings: Settings, corpus: Corpus, rows: np.ndarray) -> None:
    most = settings.loading.max_frames
    if most is None or settings.loading.dynamic_truncation:
        return
    frames = corpus.rows.frames[rows]
    longest = int(frames.max())
    if longest > most:
        raise ValueError(
            f"{int((frames > most).sum())} of {len(rows)} sequences have more than max_frames "
            f"{most} frames, the longest, {corpus.rows.id(rows[frames.argmax()])}, {longest}; "
            "raise it, or add --dynamic_truncation to subsample long sequences in time"
        )


def make_vocabulary(settings: Settings, corpus: Corpus) -> Vocabulary:
    """Makes the vocabulary from the whole train split, whatever part of it is trained on."""
    policy = settings.training.label_policy
    rows = corpus.rows.of_split("train")
    return build_vocabulary((train_labels(policy, corpus.labels(row)) for row in rows), policy)


def train_data(settings: Settings, corpus: Corpus, vocabulary: Vocabulary) -> TrainData:
    """Selects the rows of training. Raises ValueError where CTC can align none of them."""
    rows = corpus.rows.of_split("train")
    frames = _loaded_frames(settings, corpus, rows)
    policy = vocabulary.label_policy
    targets = {
        int(row): vocabulary.encode(train_labels(policy, corpus.labels(row))) for row in rows
    }
    required = np.array([required_output_length(targets[int(row)]) for row in rows])
    labelled = required > 0
    fits, too_short = alignable(frames, required, settings.model.alignment_stride)
    dropped = [
        f"{out.sum()} of {len(rows)} sequences left out, {reason}: "
        f"{corpus.rows.names(rows[out], most=5)}"
        for out, reason in (
            (~labelled, f"no labels under the label policy {policy}"),
            (labelled & ~fits, too_short),
        )
        if out.any()
    ]
    fits &= labelled
    if not fits.any():
        raise ValueError(f"no train sequence can be aligned: {'; '.join(dropped)}")
    kept, wanted = np.flatnonzero(fits), settings.loading.num_train_samples
    if wanted is not None and wanted < len(kept):
        kept = kept[np.linspace(0, len(kept) - 1, wanted).round().astype(int)]
    rows, frames = rows[kept], frames[kept]
    unlabelled = unlabelled_rows(settings, corpus, rows)
    sources = [
        Source(
            int(row),
            int(count),
            targets[int(row)],
            target_segments(corpus, row, len(targets[int(row)]))
            if settings.loading.crop_probability
            else None,
        )
        for row, count in zip(rows, frames, strict=True)
    ]
    between = vocabulary.encode(separator(policy))
    rows = np.concatenate([rows, unlabelled])
    frames = np.concatenate([frames, _loaded_frames(settings, corpus, unlabelled)])
    targets |= {int(row): [] for row in unlabelled}
    return TrainData(rows, frames, corpus.rows.shard[rows], targets, sources, between, dropped)


def scored_rows(settings: Settings, corpus: Corpus, data: TrainData) -> np.ndarray:
    """Returns the rows that validation scores: those of the evaluation split.

    With num_train_samples and the evaluation split `train`, they are the labelled rows trained on.
    """
    split = settings.training.eval_split
    if split == "train" and settings.loading.num_train_samples is not None:
        return np.array([source.row for source in data.sources])
    return evaluation_rows(corpus, split)


def _loaded_frames(settings: Settings, corpus: Corpus, rows: np.ndarray) -> np.ndarray:
    frames, most = corpus.rows.frames[rows], settings.loading.max_frames
    return frames if most is None else np.minimum(frames, most)


def evaluation_targets(
    settings: Settings, corpus: Corpus, vocabulary: Vocabulary, rows: np.ndarray
) -> dict[int, list[int]]:
    """Returns token ids by row, for the rows that have a loss: their tokens are in the vocabulary,
    and CTC can align them."""
    spelled = {int(row): train_labels(vocabulary.label_policy, corpus.labels(row)) for row in rows}
    known = [row for row, tokens in spelled.items() if all(t in vocabulary for t in tokens)]
    targets = {row: vocabulary.encode(spelled[row]) for row in known}
    frames = _loaded_frames(settings, corpus, np.array(known, np.int64))
    required = np.array([required_output_length(ids) for ids in targets.values()], np.int64)
    fits, _ = alignable(frames, required, settings.model.output_stride)
    return {row: targets[row] for row, fit in zip(known, fits & (required > 0), strict=True) if fit}


def statistics_rows(settings: Settings, corpus: Corpus, data: TrainData) -> np.ndarray:
    """Returns the train rows for the statistics of the features: all, or those of the first window,
    so that no other shard is read at the start."""
    rows = corpus.rows.of_split("train")
    if settings.loading.shard_window is None:
        return rows
    return rows[np.isin(corpus.rows.shard[rows], _windows(settings, data, epoch=0)[0])]


def target_segments(corpus: Corpus, row: int, num_targets: int) -> list[tuple[int, int]] | None:
    """[start, end) of each target, where segments follow the labels and each label is a target."""
    # A policy drops, merges, joins or spells labels: where their number is unchanged, so are they.
    if num_targets != len(corpus.labels(row)):
        return None
    segments = corpus.segments(row)
    if not fit_labels(segments, corpus.labels(row)):
        return None
    return [(segment.start, segment.end) for segment in segments]


@dataclass(frozen=True)
class Epoch:
    """The micro-batches of an epoch, in order."""

    plan: list[np.ndarray]
    """Micro-batches of row numbers."""
    targets: dict[int, list[int]]
    """Token ids by row number."""
    frames: dict[int, int]
    """Frames by row number."""
    pieces: dict[int, tuple[Piece, ...]]
    """Pieces of other rows that are read in place of a row."""
    windows: Sequence[np.ndarray] = ()
    """Shard numbers of the windows that the plan walks through, and of the next epoch's first."""
    tokens_per_frame: float = 0.0
    """Of the labelled rows."""

    def num_targets(self, row: int) -> int:
        """Tokens of a row; of an unlabelled one, as many as sequences of its length have."""
        return len(self.targets[row]) or max(1, round(self.frames[row] * self.tokens_per_frame))


def make_epoch(settings: Settings, data: TrainData, epoch: int) -> Epoch:
    """Splices and plans the sequences of an epoch; a pure function of (seed, epoch)."""
    loading, seed = settings.loading, settings.training.seed
    targets, frames = data.targets, dict(zip(data.rows.tolist(), data.frames.tolist(), strict=True))
    pieces = {}
    if loading.crop_probability or loading.join_probability:
        spliced = {
            source.row: splice(
                source,
                data.sources,
                np.random.default_rng([seed, data.view(epoch), source.row, SPLICING]),
                crop_probability=loading.crop_probability,
                join_probability=loading.join_probability,
                output_stride=settings.model.alignment_stride,
                separator=data.separator,
            )
            for source in data.sources
        }
        targets = targets | {row: s.targets for row, s in spliced.items()}
        frames |= {row: s.frames for row, s in spliced.items()}
        pieces = {row: s.pieces for row, s in spliced.items()}
    lengths = np.array([frames[row] for row in data.rows.tolist()])
    batches = plan(
        np.ceil(lengths * settings.augmentation.time_stretch).astype(int),
        seed=seed,
        epoch=epoch,
        batch_size=loading.batch_size,
        batch_frames=loading.frame_budget,
        curriculum=epoch < loading.curriculum_epochs,
        shards=data.shards,
        shard_window=loading.shard_window,
    )
    windows = _windows(settings, data, epoch)
    if epoch + 1 < settings.training.num_epochs:
        windows += _windows(settings, data, epoch + 1)[:1]
    labelled = [row for row, ids in targets.items() if ids and row in frames]
    return Epoch(
        [data.rows[positions] for positions in batches],
        targets,
        frames,
        pieces,
        windows,
        sum(len(targets[row]) for row in labelled) / sum(frames[row] for row in labelled),
    )


def _windows(settings: Settings, data: TrainData, epoch: int) -> list[np.ndarray]:
    return train_windows(
        data.shards, settings.loading.shard_window, seed=settings.training.seed, epoch=epoch
    )


def count_steps(settings: Settings, data: TrainData, per_step: int, track: Progress) -> int:
    """Counts the optimizer steps of all epochs; with a frame budget each epoch must be planned."""
    rows_of_shard = np.bincount(data.shards)

    def micro_batches(epoch: int) -> int:
        if settings.loading.frame_budget is not None:
            return len(make_epoch(settings, data, epoch).plan)
        sizes = [rows_of_shard[window].sum() for window in _windows(settings, data, epoch)]
        return sum(-(-int(size) // settings.loading.batch_size) for size in sizes)

    num_epochs = settings.training.num_epochs
    epochs = track(range(num_epochs), "planning epochs", num_epochs)
    return sum(steps_per_epoch(micro_batches(epoch), per_step) for epoch in epochs)
