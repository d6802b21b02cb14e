"""Computes the learning rate from the step and, with schedule plateau, from the WERs so far.

Each schedule is a pure function that returns a factor on the peak learning rate for optimizer step
`step`, counted from 0. No factor is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from slr_accel.settings.training import TrainingSettings

SMALLEST = 1e-6
ONE_CYCLE_RISE = 0.1
ONE_CYCLE_START = 0.1
ONE_CYCLE_END = 1e-5
"""1/10,000 of the start."""


def learning_rate_factor(
    settings: TrainingSettings, step: int, *, total_steps: int, wers: Sequence[float]
) -> float:
    """Returns the factor of the schedule that the settings name.

    Args:
        total_steps: optimizer steps of all epochs.
        wers: WERs of all validations so far, in their order.
    """
    warmup_steps = int(total_steps * settings.warmup_ratio)
    match settings.schedule:
        case "cosine":
            return cosine(step, total_steps=total_steps, warmup_steps=warmup_steps)
        case "one_cycle":
            return one_cycle(step, total_steps=total_steps)
        case "inverse_square_root":
            return inverse_square_root(step, warmup_steps=warmup_steps)
        case "constant":
            return warmup(step, warmup_steps)
    reductions = plateaus(wers, patience=settings.plateau_patience)
    return warmup(step, warmup_steps) * max(SMALLEST, settings.plateau_factor**reductions)


def warmup(step: int, warmup_steps: int) -> float:
    """Rises linearly over the first `warmup_steps`, then stays at 1."""
    return min(1.0, (step + 1) / max(1, warmup_steps))


def cosine(step: int, *, total_steps: int, warmup_steps: int) -> float:
    """Falls as half a cosine towards 0 after the warm-up (Loshchilov & Hutter 2017)."""
    if step < warmup_steps:
        return warmup(step, warmup_steps)
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return max(SMALLEST, 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def one_cycle(step: int, *, total_steps: int) -> float:
    """Rises tenfold in the first tenth of all steps, then falls to almost 0, both as half a cosine
    (Smith & Topin 2018, as in torch's OneCycleLR)."""
    peak, end = ONE_CYCLE_RISE * total_steps - 1, total_steps - 1
    if step < peak:
        return _between(ONE_CYCLE_START, 1.0, step / peak)
    return _between(1.0, ONE_CYCLE_END, min(1.0, (step - peak) / max(1.0, end - peak)))


def _between(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))


def inverse_square_root(step: int, *, warmup_steps: int) -> float:
    """Falls as 1 / sqrt(step) after the warm-up (Vaswani et al. 2017), however long the run is."""
    if step < warmup_steps:
        return warmup(step, warmup_steps)
    return math.sqrt(max(1, warmup_steps) / (step + 1))


def plateaus(wers: Sequence[float], *, patience: int) -> int:
    """Counts how often `patience` validations in a row had no better WER than the best before."""
    best, waited, found = math.inf, 0, 0
    for wer in wers:
        waited = 0 if wer < best else waited + 1
        best = min(best, wer)
        if waited == patience:
            waited, found = 0, found + 1
    return found
