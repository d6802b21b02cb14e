"""Makes a run a trial of a wandb sweep: its folder, and its error where it cannot start."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from slr_accel.errors import RunError
from slr_accel.training.wandb_run import init_wandb, wandb_mode


def with_trial_folder(words: list[str]) -> list[str]:
    """Adds a folder for the trial to a command line without --output_dir, under a sweep's agent."""
    sweep, trial = os.environ.get("WANDB_SWEEP_ID"), os.environ.get("WANDB_RUN_ID")
    has_folder = any(w.split("=")[0] in ("--output_dir", "--output-dir") for w in words)
    if not sweep or not trial or has_folder:
        return words
    return [*words, f"--output_dir={Path('runs') / f'sweep_{sweep}' / trial}"]


class TrialStart:
    """While entered and not `over`, an error is written to the summary of the trial.

    It is over once the run has started wandb, which reports later errors.
    """

    def __init__(self) -> None:
        self.over = False

    def __enter__(self) -> TrialStart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if self.over or not isinstance(error, ValueError | RunError | OSError):
            return
        if not os.environ.get("WANDB_SWEEP_ID"):
            return
        if os.environ.get("RANK", "0") == "0":
            _report_to_wandb(str(error), exit_code=2 if isinstance(error, ValueError) else 1)
        else:
            # The first process that ends makes torchrun end all: let it be the one that reports.
            time.sleep(60)


def _report_to_wandb(reason: str, exit_code: int) -> None:
    mode: Any = wandb_mode(None)
    if mode == "disabled":
        return
    with suppress(RunError):  # the user has to read the reason itself
        run = init_wandb(mode=mode)
        run.summary["error"] = reason
        run.finish(exit_code=exit_code)
