"""Writes the messages for steps that are skipped since a loss or a gradient is not finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.errors import RunError
from slr_accel.training.step import StepResult
from slr_accel.training.step_work import StepWork

MOST_SKIPPED = 20
"""Steps in a row that may be skipped before a run stops. fp16 may need 16 of them to lower its loss
scale from 2**16."""
MOST_HALVINGS = 16
"""Steps in a row in which fp16 may lower its loss scale, before that is a fault."""
MOST_NAMED = 8
"""Most sequences that are named where a step is skipped."""


def lowers_loss_scale(scaler: Any, result: StepResult, in_a_row: int) -> bool:
    """Whether a step was left out only because fp16 looks for its loss scale, which begins high.

    Args:
        scaler: of the accelerator; None without fp16.
        result: of the step.
        in_a_row: steps that were left out before it.
    """
    if scaler is None or result.update.took_step or wrong_losses(result):
        return False
    return in_a_row < MOST_HALVINGS


def wrong_losses(result: StepResult) -> list[int]:
    """Returns the numbers, within the step, of the micro-batches whose loss is not finite."""
    by_micro_batch = zip(*result.losses.values(), strict=True)
    return [i for i, losses in enumerate(by_micro_batch) if not all(map(math.isfinite, losses))]


def why_skipped(work: StepWork, result: StepResult, corpus: Corpus) -> str:
    """Says whether a loss or a gradient is not finite, and for which sequences."""
    wrong = wrong_losses(result)
    rows = np.concatenate([work.rows[i] for i in wrong] if wrong else work.rows)
    return (
        f"a {'loss' if wrong else 'gradient'} is not finite, the weights stay; "
        f"{len(rows)} sequences: {corpus.rows.names(rows, MOST_NAMED)}"
    )


def too_many_skipped(losses: int) -> RunError:
    """Returns the error that ends a run; in `losses` of the skipped steps a loss was not finite."""
    lower = "with a new --output_dir lower learning_rate or max_grad_norm"
    way_out = (
        "Look for extreme values in the sequences named above (`slr-accel inspect`); where other "
        f"sequences are named each time, {lower}"
        if losses
        else f"The losses were finite, so {lower}"
    )
    return RunError(
        f"{MOST_SKIPPED} steps in a row had a loss or a gradient that is not finite, "
        f"{losses} of them a loss. {way_out}"
    )
