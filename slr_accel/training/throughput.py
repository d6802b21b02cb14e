"""How fast a run goes, and what holds it up."""

from __future__ import annotations

import resource
import sys
import time

import torch

from slr_accel.files import GB
from slr_accel.training.step_work import StepWork

FIGURES = (
    *("frames_per_second", "sequences_per_second"),
    *("padding_share", "data_wait_share", "peak_memory_gb"),
)
"""What is measured: no two runs share it."""


class Throughput:
    """Adds up steps between two lines of metrics. The counts are of all processes; time, waiting
    and memory are this one's."""

    def __init__(self) -> None:
        if torch.cuda.is_initialized():
            # The batches tried before the first step are no training.
            torch.cuda.reset_peak_memory_stats()
        self._last = time.monotonic()
        self._start_over()

    def _start_over(self) -> None:
        self._seconds = self._waited = 0.0
        self._sequences = self._frames = self._padded = 0

    def step(self, work: StepWork) -> None:
        """A step is done."""
        now = time.monotonic()
        self._seconds += now - self._last
        self._last = now
        self._waited += work.wait_seconds
        self._sequences += work.num_sequences
        self._frames += work.num_frames
        self._padded += work.num_padded_frames

    def leave_out(self) -> None:
        """What happened since the last step is no training time: a validation, a save."""
        self._last = time.monotonic()

    def figures(self) -> dict[str, float]:
        """Since the last call.

        `padding_share` is of the frames as loaded: padded frames / all. `data_wait_share` is the
        share of time in which a step waited for its batches. `peak_memory_gb` is since the start:
        on a GPU what tensors took, on a CPU the process's largest resident set.
        """
        seconds = max(self._seconds, 1e-9)
        figures = {
            "frames_per_second": round(self._frames / seconds, 1),
            "sequences_per_second": round(self._sequences / seconds, 2),
            "padding_share": round(1 - self._frames / max(1, self._padded), 4),
            "data_wait_share": round(self._waited / seconds, 4),
            "peak_memory_gb": round(peak_memory() / GB, 3),
        }
        self._start_over()
        return figures


def peak_memory() -> int:
    """Bytes."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
