"""Describes the first batch of a run, so that wrong data is seen, its validations and its end."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from slr_accel.corpus.reader import Corpus
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.batch import Batch
from slr_accel.padding import frame_mask
from slr_accel.runs.checkpoint import average_path
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import Rank, TrainState
from slr_accel.settings.run import Settings
from slr_accel.settings.training import TrainingSettings
from slr_accel.training.schedules import plateaus


def describe_batch(batch: Batch, corpus: Corpus, vocabulary: Vocabulary) -> str:
    """Describes a batch: shape, lengths, range and presence of each block, the first targets."""
    size, frames, columns = batch.features.shape
    inside = frame_mask(batch.lengths, frames)
    lines = [
        f"first batch: {size} sequences x {frames} frames x {columns} {batch.features.dtype}, "
        f"lengths {batch.lengths.tolist()}, padding {1 - inside.float().mean():.0%}"
    ]
    for index, block in enumerate(corpus.layout.blocks):
        present = batch.presence[..., index] & inside
        share = present.sum() / inside.sum()
        text = f"  {block.name}: present in {share:.0%} of frames"
        if present.any():
            values = batch.features[..., corpus.layout.slices[block.name]][present].float()
            text += f", values {values.min():.4g} to {values.max():.4g}, mean {values.mean():.4g}"
        lines.append(text)
    targets = batch.targets[0, : batch.target_lengths[0]].tolist()
    name = corpus.rows.id(int(batch.rows[0]))
    lines.append(f"  {name}: {' '.join(vocabulary.decode(targets))}  (ids {targets})")
    return "\n".join(lines)


def describe_validation(epoch: int, step: int, figures: dict[str, Any], rank: Rank) -> str:
    """Puts the figures of a validation on one line.

    Args:
        epoch: the one it is in, counted from 1.
        rank: among the validations before it.
    """
    raw = f"  raw weights {figures['wer_raw']:.2%}" if "wer_raw" in figures else ""
    spelling = f"  CER {figures['cer']:.2%}" if "cer" in figures else ""
    return (
        f"epoch {epoch}  step {step}  WER {figures['wer']:.2%}{f' ({rank})' if rank else ''}{raw}"
        f"{spelling}  blank frames {figures['blank_share']:.0%}"
        f"  empty {figures['empty_share']:.0%}  distinct tokens {figures['distinct_tokens']}"
    )


def describe_end(
    settings: Settings,
    run: RunFolder,
    state: TrainState,
    average_wer: float | None,
    curves: Path | None,
) -> str:
    """Says where the best weights and the curves are.

    Args:
        average_wer: of an average of weights made at this end, where it is the best.
        curves: None where nothing is drawn.
    """
    best = f"{state.best_wer:.2%} at step {state.best_step}"
    if average_wer is not None:
        best = f"{average_wer:.2%}, of an average"
    elif run.best.resolve() == average_path(run.checkpoints, state.step).resolve():
        # From before, when one was asked for; metrics.jsonl has lost its line since.
        best = f"at most {state.best_wer:.2%}, of an average made before"
    return (
        f"best WER {best}: {run.best}\n"
        + (f"curves: {curves}\n" if curves else "")
        + f"score it: slr-accel evaluate {shlex.quote(str(run.path))} "
        f"--split {settings.training.eval_split}"
    )


def describe_trouble(
    settings: Settings,
    run: RunFolder,
    state: TrainState,
    trouble: str | None,
    alarms: Mapping[str, Any],
) -> Iterator[str]:
    """Says what is wrong at the end of a run: with its last hypotheses, and by its alarms.

    Args:
        alarms: {state: (severity, ...)}; notes are no alarms.
    """
    if trouble is not None:
        yield f"warning: {trouble}"
        yield from _of_the_schedule(settings.training, state)
    states = ", ".join(code for code, (severity, *_) in alarms.items() if severity != "note")
    if states:
        command = f"slr-accel diagnose {shlex.quote(str(run.path))}"
        yield f"alarms at the end: {states}; {command} examines the run"


def _of_the_schedule(options: TrainingSettings, state: TrainState) -> Iterator[str]:
    """Names the schedule where it took the learning rate away before anything was learned."""
    if options.schedule != "plateau":
        return
    reductions = plateaus([wer for _, wer in state.spoken], patience=options.plateau_patience)
    if reductions:
        left = options.learning_rate * options.plateau_factor**reductions
        yield (
            f"schedule plateau has reduced the learning rate {reductions} times, from "
            f"{options.learning_rate:g} to {left:.2g}: look there first; raise --plateau_patience "
            f"(now {options.plateau_patience}), or use --schedule cosine"
        )
