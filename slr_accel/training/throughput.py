"""Measures a run's throughput, the time it waits for data, and its memory."""

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
"""The names of the figures, which differ between two runs of the same command."""


class Throughput:
    """Adds up the steps between two lines of metrics.

    The counts are those of all processes; time, waiting and memory are those of this one.
    """

    def __init__(self) -> None:
        if torch.cuda.is_initialized():
            # The batches tried before the first step do not count.
            torch.cuda.reset_peak_memory_stats()
        self._last = time.monotonic()
        self._start_over()

    def _start_over(self) -> None:
        self._seconds = self._waited = 0.0
        self._sequences = self._frames = self._padded = 0

    def step(self, work: StepWork) -> None:
        """Adds a step that has ended."""
        now = time.monotonic()
        self._seconds += now - self._last
        self._last = now
        self._waited += work.wait_seconds
        self._sequences += work.num_sequences
        self._frames += work.num_frames
        self._padded += work.num_padded_frames

    def leave_out(self) -> None:
        """Leaves the time since the last step out, such as that of a validation or a save."""
        self._last = time.monotonic()

    def figures(self) -> dict[str, float]:
        """Returns the figures since the last call.

        `padding_share` is the share of padding in the frames as loaded, and `data_wait_share` that
        of the time in which steps waited for batches. `peak_memory_gb` (10^9 bytes) counts from the
        start: tensors on a GPU, the process's largest resident set on a CPU.
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
    """Returns bytes."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
