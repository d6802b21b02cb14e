"""Measures streaming on sequences: delay of tokens, and provisional ones that were taken back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from slr_accel.ctc.decoders import Hypothesis
from slr_accel.live.streaming import Emit, Stream, StreamSettings, StreamToken


@dataclass
class StreamFigures:
    hypotheses: list[Hypothesis] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    """Frames from the end of each token's first step to the frame that committed it."""
    revisions: int = 0
    """Provisional tokens that were shown and then changed or vanished."""

    def summary(self, frames_per_second: float) -> dict[str, float | None]:
        """Delays in seconds, without the time of computation; revisions for 100 tokens."""
        seconds = np.array(self.delays) / frames_per_second
        tokens = max(len(seconds), 1)
        return {
            "delay_mean": round(float(seconds.mean()), 3) if len(seconds) else None,
            "delay_p95": round(float(np.percentile(seconds, 95)), 3) if len(seconds) else None,
            "revisions_per_100": round(100 * self.revisions / tokens, 1),
        }


def add_stream(
    figures: StreamFigures,
    emit: Emit,
    output_stride: int,
    settings: StreamSettings,
    values: np.ndarray,
    presence: np.ndarray,
) -> None:
    """Streams one sequence, chunk by chunk, and adds its figures."""
    stream = Stream(emit, output_stride, settings)
    committed: list[StreamToken] = []
    shown: list[int] = []
    for start in range(0, len(values) + settings.chunk, settings.chunk):
        part = slice(start, start + settings.chunk)
        at_end = start >= len(values)
        updates = [stream.end()] if at_end else stream.push(values[part], presence[part])
        for update in updates:
            for token in update.committed:
                step_end = min((token.step + 1) * output_stride, stream.received)
                figures.delays.append(stream.received - step_end)
            committed += update.committed
            now = [token.token for token in (*committed, *update.provisional)]
            kept = next(
                (i for i, (a, b) in enumerate(zip(shown, now, strict=False)) if a != b),
                min(len(shown), len(now)),
            )
            figures.revisions += len(shown) - kept
            shown = now
    steps = [token.step for token in committed]
    figures.hypotheses.append(
        Hypothesis(
            [token.token for token in committed],
            steps,
            [step + 1 for step in steps],
            [token.confidence for token in committed],
        )
    )
