"""Records where a few training steps spend their time, by torch.profiler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import profile, schedule

from slr_accel.files import naming

WARM_STEPS = 3
"""First steps that are not recorded: they allocate, choose kernels and open files."""
TABLE_ROWS = 40


class StepProfiler:
    """Records `steps` training steps into `folder`, after which the run goes on.

    A validation or save between two of them is recorded too.
    """

    def __init__(self, folder: Path, steps: int, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        phases = schedule(wait=WARM_STEPS - 1, warmup=1, active=steps, repeat=1)
        self._profile = profile(schedule=phases, on_trace_ready=self._write)

    def __enter__(self) -> StepProfiler:
        self._profile.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._profile.step_num < WARM_STEPS:
            self._say(f"profile: nothing is recorded: the run ended within {WARM_STEPS} steps")
        self._profile.stop()

    def step(self) -> None:
        """Counts a training step that has ended."""
        self._profile.step()

    def _write(self, recorded: Any) -> None:
        self._folder.mkdir(exist_ok=True)
        trace, table = self._folder / "trace.json", self._folder / "table.txt"
        recorded.export_chrome_trace(str(trace))
        by = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        with naming(table):
            text = recorded.key_averages().table(sort_by=by, row_limit=TABLE_ROWS)
            table.write_text(text + "\n")
        # torch does not raise where it cannot write.
        made = (
            f"{trace} for chrome://tracing" if trace.is_file() else "no trace.json: is there room?"
        )
        steps = recorded.step_num - WARM_STEPS
        self._say(f"profile of {steps} steps: {table}, {made}")
