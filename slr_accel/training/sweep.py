"""A run that is a trial of a wandb sweep: where it goes, and what is told of a bad start."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from slr_accel.errors import RunError
from slr_accel.training.wandb_run import init_wandb, wandb_mode


def with_trial_folder(words: list[str]) -> list[str]:
    """Under a sweep's agent, a command line without --output_dir gets a folder for the trial."""
    sweep, trial = os.environ.get("WANDB_SWEEP_ID"), os.environ.get("WANDB_RUN_ID")
    has_folder = any(w.split("=")[0] in ("--output_dir", "--output-dir") for w in words)
    if not sweep or not trial or has_folder:
        return words
    return [*words, f"--output_dir={Path('runs') / f'sweep_{sweep}' / trial}"]


class TrialStart:
    """While entered and not `over`, an error becomes the reason in the summary of the trial.

    It ends before the run starts wandb by itself, which from then on tells of errors.
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
            _tell_reason(str(error), exit_code=2 if isinstance(error, ValueError) else 1)
        else:
            # torchrun ends all as soon as one has ended, which the first one then does.
            time.sleep(60)


def _tell_reason(reason: str, exit_code: int) -> None:
    mode: Any = wandb_mode(None)
    if mode == "disabled":
        return
    with suppress(RunError):  # the reason itself is what the user has to read
        run = init_wandb(mode=mode)
        run.summary["error"] = reason
        run.finish(exit_code=exit_code)
