"""Records where a few training steps spend their time, by torch.profiler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from slr_accel.files import naming

WARM_STEPS = 3
"""First steps that are not recorded: they allocate, choose kernels and open files."""
TABLE_ROWS = 40


class StepProfiler:
    """Records `steps` training steps into `folder`, after which the run goes on.

    A validation or save between two of them is recorded too.
    """

    def __init__(self, folder: Path, steps: int, say: Callable[[str], None]) -> None:
        self._folder, self._steps, self._say = folder, steps, say
        self._done = 0
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._profile = profile(activities=activities)

    def __enter__(self) -> StepProfiler:
        return self

    def __exit__(self, *error: object) -> None:
        if self._done < WARM_STEPS:
            self._say(f"profile: nothing is recorded: the run ended within {WARM_STEPS} steps")
        elif self._done < WARM_STEPS + self._steps:
            self._write()

    def step(self) -> None:
        """Counts a training step that has ended."""
        self._done += 1
        if self._done == WARM_STEPS:
            self._profile.start()
        if self._done == WARM_STEPS + self._steps:
            self._write()

    def _write(self) -> None:
        self._profile.stop()
        self._folder.mkdir(exist_ok=True)
        trace, table = self._folder / "trace.json", self._folder / "table.txt"
        self._profile.export_chrome_trace(str(trace))
        by = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        averages = self._profile.key_averages()
        with naming(table):
            table.write_text(averages.table(sort_by=by, row_limit=TABLE_ROWS) + "\n")
        steps = self._done - WARM_STEPS
        # torch does not raise where it cannot write.
        made = (
            f"{trace} for chrome://tracing" if trace.is_file() else "no trace.json: is there room?"
        )
        self._say(f"profile of {steps} steps: {table}, {made}")
