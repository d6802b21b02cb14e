"""A validation: WER, CER of what is spelled, and CTC health of a split; alike on every process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from slr_accel.corpus.reader import Corpus
from slr_accel.ctc.health import warning
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.buffers import Buffers
from slr_accel.scoring.cer import character_error_rate
from slr_accel.scoring.references import references
from slr_accel.scoring.transcribe import transcribe
from slr_accel.scoring.wer import Counts, score
from slr_accel.scoring.words import recognised_texts
from slr_accel.settings.run import Settings
from slr_accel.training.wandb_run import MOST_HYPOTHESES


@contextmanager
def full_precision(model: nn.Module) -> Iterator[None]:
    """While entered, the model computes as `slr-accel evaluate` has it: without the autocast that
    accelerate put around its `forward`."""
    wrapped = model.__dict__.pop("forward", None)
    try:
        yield
    finally:
        if wrapped is not None:
            model.__dict__["forward"] = wrapped


@dataclass(frozen=True)
class Validation:
    figures: dict[str, Any]
    """For the log."""
    trouble: str | None
    """What looks wrong with the hypotheses."""
    hypotheses: list[tuple[str, str, str, float]]
    """(id, reference, hypothesis, WER) of the first sequences."""


def validate(
    accelerator: Any,
    model: nn.Module,
    settings: Settings,
    corpus: Corpus,
    rows: np.ndarray,
    vocabulary: Vocabulary,
    buffers: Buffers,
    stops: Callable[[], bool],
) -> Validation:
    """Transcribes the rows and scores them, in float32 whatever the precision of training.

    Raises Interrupted where `stops` says so between two batches, which it must on all processes.
    """
    with full_precision(model):
        transcript = transcribe(
            accelerator,
            model,
            corpus,
            rows,
            batch_size=4 * settings.loading.batch_size,
            batch_frames=settings.loading.frame_budget,
            max_frames=settings.loading.max_frames,
            shard_window=settings.loading.shard_window,
            buffers=buffers,
            stops=stops,
        )
    hypotheses = recognised_texts(vocabulary, transcript.hypotheses)
    expected = references(corpus, rows, vocabulary.label_policy)
    counts = score(expected, hypotheses)
    total = sum(counts, Counts())
    health = transcript.health
    figures = {
        "wer": total.wer,
        "substitutions": total.substitutions,
        "deletions": total.deletions,
        "insertions": total.insertions,
        "blank_share": health.blank_share,
        "empty_share": health.empty_share,
        "distinct_tokens": health.distinct_tokens,
    }
    if vocabulary.label_policy == "characters":
        figures["cer"] = character_error_rate(expected, hypotheses)
    shown = [
        (corpus.rows.id(row), " ".join(reference), " ".join(hypothesis), own.wer)
        for row, reference, hypothesis, own in zip(
            *(part[:MOST_HYPOTHESES] for part in (rows, expected, hypotheses, counts)), strict=True
        )
    ]
    return Validation(figures, warning(health, errors=total.errors), shown)
