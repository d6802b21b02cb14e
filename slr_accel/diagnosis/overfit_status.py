"""Names where a model stands that learns a few sequences by heart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

MINIMUM, TARGET = 0.15, 0.05
"""WER below which the sequences count as learned, and below which they should be."""
ALL = 0.999
"""Share of blank steps from which nothing but blank is said."""


def level(wer: float) -> str:
    """Names the level that a WER reaches: ideal, target, minimum or failed."""
    if wer == 0:
        return "ideal"
    if wer < TARGET:
        return "target"
    return "minimum" if wer < MINIMUM else "failed"


def zeros_at_end(validations: Sequence[tuple[int, float]]) -> int:
    """Returns how many of the last validations, (step, WER), had a WER of 0 in a row."""
    return len(list(takewhile(lambda validation: validation[1] == 0, reversed(validations))))


def status(figures: dict[str, Any], zeros: int, patience: int) -> str:
    """Returns the status word of a validation.

    Args:
        figures: those of the validation.
        zeros: validations in a row with a WER of 0, this one included.
        patience: as many of them end the run.
    """
    if zeros:
        return f"OVERFITTED {zeros}/{patience}"
    if figures["empty_share"] == 1 or figures["blank_share"] > ALL:
        return "BLANK"
    if figures["distinct_tokens"] == 1 and figures["num_sequences"] > 1:
        return "CONSTANT"
    return "ALMOST" if level(figures["wer"]) != "failed" else "LEARNING"
