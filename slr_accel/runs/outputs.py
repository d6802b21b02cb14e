"""Computes the log-probabilities of sequences one after the other, for work beyond decoding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from slr_accel.errors import Interrupted
from slr_accel.loading.loader import read_ahead
from slr_accel.loading.plan import evaluation_plan, evaluation_windows
from slr_accel.processes.tf32 import in_float32
from slr_accel.runs.opened import OpenedRun


@torch.no_grad()
def outputs(
    opened: OpenedRun,
    rows: np.ndarray,
    *,
    advance: Callable[[int], None] = lambda sequences: None,
    stops: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields each row and its log-probabilities [T', V] float32, in the order of the batches.

    Every process computes all rows. `advance` and `stops` are those of scoring.transcribe.

    Raises:
        Interrupted: `stops` returned true.
    """
    corpus, model = opened.corpus, opened.model
    shards = corpus.rows.shard[rows]
    plan = evaluation_plan(corpus.rows.frames[rows], shards=shards, **opened.batches)
    batches = read_ahead(
        corpus,
        (rows[positions] for positions in plan),
        {},
        model.max_frames,
        windows=evaluation_windows(shards, opened.batches["shard_window"]),
    )
    try:
        for positions in plan:
            if stops():
                raise Interrupted
            batch = next(batches).to(opened.accelerator.device)
            with in_float32():
                output = model(batch.features, batch.presence, batch.lengths)
            log_probs, lengths = output.log_probs.float().cpu().numpy(), output.lengths.tolist()
            for row, found, steps in zip(rows[positions], log_probs, lengths, strict=True):
                yield int(row), found[:steps]
            advance(len(positions))
    finally:
        batches.close()
        corpus.let_go()


def frame_rate(opened: OpenedRun) -> float:
    """Frames per second of the corpus; where it does not say, those the model was trained at."""
    return opened.corpus.info.frames_per_second or opened.model.features.frames_per_second


def step_frames(opened: OpenedRun, row: int) -> float:
    """Frames of the corpus that an output step of a row stands for."""
    frames, model = int(opened.corpus.rows.frames[row]), opened.model
    # A frame of a subsampled sequence stands for more than one.
    return model.output_stride * frames / min(frames, model.max_frames or frames)
