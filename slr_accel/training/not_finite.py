"""What a run says of steps left out because a loss or a gradient is not finite."""

from __future__ import annotations

import math

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.errors import RunError
from slr_accel.training.step import StepResult
from slr_accel.training.step_work import StepWork

MOST_SKIPPED = 20
"""Steps in a row without a finite gradient after which a run stops; fp16 may need 16 of them to
bring its loss scale down from 2**16."""
MOST_NAMED = 8
"""Sequences named where a step is left out."""


def wrong_losses(result: StepResult) -> list[int]:
    """Places, within the step, of the micro-batches whose loss is not finite."""
    by_micro_batch = zip(*result.losses.values(), strict=True)
    return [i for i, losses in enumerate(by_micro_batch) if not all(map(math.isfinite, losses))]


def why_skipped(work: StepWork, result: StepResult, corpus: Corpus) -> str:
    """Whether a loss or a gradient is not finite, and the sequences it is of."""
    wrong = wrong_losses(result)
    rows = np.concatenate([work.rows[i] for i in wrong] if wrong else work.rows)
    return (
        f"a {'loss' if wrong else 'gradient'} is not finite, the weights stay; "
        f"{len(rows)} sequences: {corpus.rows.names(rows, MOST_NAMED)}"
    )


def too_many_skipped(losses: int) -> RunError:
    """The end of a run that only skips; in `losses` of its steps a loss was at fault."""
    lower = "with a new --output_dir lower learning_rate or max_grad_norm"
    way_out = (
        "Look for extreme values in the sequences named above (`slr-accel inspect`); where they "
        f"are others each time, {lower}"
        if losses
        else f"The losses were finite, so {lower}"
    )
    return RunError(
        f"{MOST_SKIPPED} steps in a row had a loss or a gradient that is not finite, "
        f"{losses} of them a loss. {way_out}"
    )
