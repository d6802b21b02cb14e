"""Learning rate as a pure function of the step: nothing to save, nothing to resume."""

from __future__ import annotations

import math


def warmup_cosine(step: int, *, total_steps: int, warmup_ratio: float) -> float:
    """Factor on the peak learning rate for optimizer step `step`, counted from 0.

    Rises linearly over the first `warmup_ratio` of all steps, then falls as half a cosine towards 0
    (Loshchilov & Hutter 2017, without restarts). Never exactly 0: every step learns.
    """
    warmup_steps = int(total_steps * warmup_ratio)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return max(1e-6, 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
