"""Validates a model during training: loss, WER and output health of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from slr_accel.corpus.reader import Corpus
from slr_accel.ctc.decoders import Decoder, greedy_decode
from slr_accel.ctc.health import warning
from slr_accel.ctc.loss import ctc_loss
from slr_accel.errors import OutOfMemory, out_of_memory_as
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.buffers import Buffers
from slr_accel.scoring.scored import figures, score_transcript
from slr_accel.scoring.transcribe import transcribe
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


def out_of_memory() -> OutOfMemory:
    return OutOfMemory(
        "out of memory in validation, whose batches have up to 4 x batch_size sequences: "
        "with a new --output_dir lower batch_size, or set batch_frames"
    )


@dataclass(frozen=True)
class Validation:
    """The result of one validation, the same on every process."""

    figures: dict[str, Any]
    """For the log."""
    trouble: str | None
    """A warning about the hypotheses."""
    hypotheses: list[tuple[str, str, str, float]]
    """(id, reference, hypothesis, WER) of the first sequences."""


def validate(
    accelerator: Any,
    model: nn.Module,
    settings: Settings,
    corpus: Corpus,
    rows: np.ndarray,
    vocabulary: Vocabulary,
    *,
    targets: dict[int, list[int]],
    buffers: Buffers,
    stops: Callable[[], bool],
    decoder: Decoder = greedy_decode,
) -> Validation:
    """Transcribes and scores the rows, in float32 whatever the precision of training.

    The loss is CTC with the blank margin of training, so that both can be compared.

    Raises:
        OutOfMemory: a batch does not fit.
        Interrupted: `stops` said so between two batches, which it must on all processes.
    """
    with full_precision(model), out_of_memory_as(out_of_memory):
        transcript = transcribe(
            accelerator,
            model,
            corpus,
            rows,
            decoder=decoder,
            batch_size=4 * settings.loading.batch_size,
            batch_frames=settings.loading.frame_budget,
            max_frames=settings.loading.max_frames,
            shard_window=settings.loading.shard_window,
            buffers=buffers,
            targets=targets,
            loss=partial(ctc_loss, blank_margin=settings.training.blank_margin),
            stops=stops,
        )
    scored = score_transcript(corpus, rows, vocabulary, transcript)
    shown = [
        (s.id, " ".join(s.reference), " ".join(s.hypothesis), s.counts.wer)
        for s in scored.sequences[:MOST_HYPOTHESES]
    ]
    return Validation(figures(scored), warning(scored.health, errors=scored.errors), shown)
