"""Announces a run at its start: data, model, settings without effect, and its position."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from slr_accel.corpus.leakage import explain_repeated, leakage, repeated_sentences
from slr_accel.processes.accelerator import devices_told
from slr_accel.scoring.references import references
from slr_accel.scoring.words import unavoidable_errors, unsayable
from slr_accel.training.trainer import Trainer


def announcement(trainer: Trainer) -> Iterator[str]:
    """Yields the lines that a run prints before its first step."""
    yield from _corpus(trainer)
    yield from _warnings(trainer)
    yield _model(trainer)
    yield from _position(trainer)


def _corpus(trainer: Trainer) -> Iterator[str]:
    split, vocabulary = trainer.settings.training.eval_split, trainer.vocabulary
    sequences = f"{len(trainer.data.rows)} train and {len(trainer.eval_rows)} {split} sequences"
    if np.array_equal(trainer.eval_rows, trainer.data.rows):
        sequences = f"{len(trainer.data.rows)} train sequences, which are scored too"
    yield (
        f"{sequences}, {len(vocabulary.tokens)} tokens; layout {trainer.corpus.layout.signature}"
    )
    yield from _teachers(trainer)
    unlabelled = len(trainer.data.rows) - len(trainer.data.sources)
    if unlabelled:
        yield f"{unlabelled} of the train sequences are without labels: their soft labels teach"
    for reason in trainer.data.dropped:
        yield f"warning: {reason}"
    repeated = repeated_sentences(trainer.corpus, trainer.eval_rows, vocabulary.label_policy)
    told = explain_repeated(repeated, split)
    if told:
        yield f"{told}: `slr-accel evaluate` scores the others by themselves, too"
    expected = references(trainer.corpus, trainer.eval_rows, vocabulary.label_policy)
    floor = unavoidable_errors(vocabulary, expected)
    if floor.errors:
        yield (
            f"label policy {vocabulary.label_policy}: not even a perfect recogniser gets below "
            f"{floor.wer:.2%} WER on {split}, where {floor.errors} of {floor.reference_tokens} "
            "words cannot be said in its vocabulary"
        )
        found = unsayable(vocabulary, expected)
        if found.alike:
            yield (
                f"warning: {found.alike} of these words, e.g. {found.example}, differ from words "
                "of the train split in case or Unicode form alone: prepare both alike"
            )


def _teachers(trainer: Trainer) -> Iterator[str]:
    soft = trainer.settings.distillation
    sources = [*soft.teacher, *([soft.teacher_cache] if soft.teacher_cache else [])]
    if sources:
        first, last = soft.weight_at(0), soft.weight_at(1)
        weight = f"{first:g}" if first == last else f"{first:g} to {last:g}"
        yield (
            f"taught by {' and '.join(sources)}: distillation weight {weight}, temperature "
            f"{soft.distillation_temperature:g}"
        )


def _warnings(trainer: Trainer) -> Iterator[str]:
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if devices := devices_told(trainer.accelerator.device, local):
        yield devices
    loading, sources = trainer.settings.loading, trainer.data.sources
    given = "crop_probability" in loading.model_fields_set
    if given and loading.crop_probability and not any(source.segments for source in sources):
        yield "warning: crop_probability has no effect, no sequence has a segment for each token"
    yield from _truncated(trainer)
    longest, budget = int(trainer.data.frames.max()), loading.frame_budget
    if budget is not None and longest > budget:
        yield (
            f"warning: sequences of more than {budget} frames (up to {longest}) make batches of "
            "their own, larger than batch_frames"
        )
    for text in _without_effect(trainer):
        yield f"warning: {text}"
    leaking = leakage(trainer.corpus)
    if leaking:
        yield f"warning: {leaking}"


def _truncated(trainer: Trainer) -> Iterator[str]:
    loading = trainer.settings.loading
    if not loading.dynamic_truncation or loading.max_frames is None:
        return
    rows = np.concatenate([trainer.corpus.rows.of_split("train"), trainer.eval_rows])
    frames = trainer.corpus.rows.frames[rows]
    longer = int((frames > loading.max_frames).sum())
    if longer:
        yield (
            f"dynamic_truncation: {longer} of {len(rows)} sequences, of up to {frames.max()} "
            f"frames, are subsampled to max_frames {loading.max_frames}"
        )


def _without_effect(trainer: Trainer) -> Iterator[str]:
    """Settings that were given and change nothing, group by group."""
    settings, corpus = trainer.settings, trainer.corpus
    columns = trainer.weights.model.features.columns
    train = corpus.rows.of_split("train")
    yield from settings.training.without_effect()
    yield from settings.distillation.without_effect(
        has_early_heads=getattr(settings.model, "auxiliary_weight", 0) > 0
    )
    some_unlabelled = len(trainer.data.rows) > len(trainer.data.sources)
    if settings.distillation.unlabelled_split and not some_unlabelled:
        yield "unlabelled_split has no effect, all its sequences are trained on with labels"
    yield from settings.loading.without_effect(
        is_remote=corpus.is_remote,
        num_train=len(train),
        longest=int(corpus.rows.frames[np.concatenate([train, trainer.eval_rows])].max()),
    )
    yield from columns.without_effect()
    yield from settings.augmentation.without_effect(corpus.layout)
    yield from settings.model.without_effect([block.name for block in columns.blocks])


def _model(trainer: Trainer) -> str:
    parameters = sum(p.numel() for p in trainer.weights.model.parameters())
    return (
        f"{trainer.settings.training.model} with {parameters / 1e6:.2f} M parameters "
        f"({parameters * 4 / 1e6:.1f} MB), "
        f"{trainer.weights.model.features.columns.num_features} features a frame; "
        f"{trainer.accelerator.num_processes} process(es) on {trainer.accelerator.device.type}, "
        f"{trainer.micro_batches_per_step} micro-batch(es) a step, "
        f"{trainer.total_steps:,} steps in {trainer.settings.training.num_epochs} epoch(s)"
    )


def _position(trainer: Trainer) -> Iterator[str]:
    state, options = trainer.state, trainer.settings.training
    if state.step and not trainer.is_over:
        yield f"continues at step {state.step} of {trainer.last_step}"
    elif not state.step and len(trainer.run.environment()["starts"]) > 1:
        yield f"starts again at step 0: there is no checkpoint in {trainer.run.checkpoints}"
    if trainer.epochs_before not in (None, options.epochs) and not trainer.is_over:
        yield (
            f"epochs were {trainer.epochs_before} and are {options.epochs} now: the learning rate "
            f"follows the schedule {options.schedule} over {trainer.total_steps} steps from here"
        )
    if trainer.is_over and state.step >= trainer.last_step:
        limit = "epochs" if trainer.last_step == trainer.total_steps else "max_steps"
        yield f"this run is complete at step {state.step}; raise {limit} to train it further"
    elif trainer.is_over:
        yield f"this run stopped early; raise {trainer.stopped_early_by} to train it further"
