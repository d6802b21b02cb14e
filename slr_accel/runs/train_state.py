"""Holds the progress of a run, and ranks its validations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Rank = Literal["best", "equals the best", ""]
"""Of a validation among those before it."""


@dataclass
class TrainState:
    """The progress of a run: all that resuming needs besides tensors."""

    step: int = 0
    """Optimizer steps taken."""
    epoch: int = 0
    """Finished epochs."""
    micro_batches: int = 0
    """Micro-batches consumed of this epoch's plan."""
    best_wer: float | None = None
    best_step: int = 0
    best_loss: float | None = None
    best_is_silent: bool = False
    """Every hypothesis of the best validation was empty."""
    validations_without_gain: int = 0
    """In a row; silent ones do not count."""
    owes_validation: bool = False
    """A signal interrupted the validation of this step; the next start repeats it."""
    validations: list[tuple[int, float]] = field(default_factory=list)
    """(step, WER) of each validation, in order."""
    silent: list[int] = field(default_factory=list)
    """Steps of the validations in which every hypothesis was empty, though words were said."""
    loss_sum: float = 0.0
    """Of CTC, since the last line of metrics."""
    term_sums: dict[str, float] = field(default_factory=dict)
    """Of the other loss terms by name, without their weights, since the last line of metrics."""
    num_targets: int = 0
    """Since the last line of metrics."""
    steps_since_line: int = 0
    """Steps since the last line of metrics, and of these the clipped and the skipped ones."""
    clipped_since_line: int = 0
    skipped_since_line: int = 0
    update_ratio: float | None = None
    """Norm of the update over norm of the weights at the last line; logged with the next one."""
    alarms: dict[str, Any] = field(default_factory=dict)
    """Alarms that were raised and are not over."""
    skipped_in_a_row: int = 0
    """Steps."""
    skipped_losses: int = 0
    """Skipped steps whose loss was not finite."""
    metrics_bytes: int = 0
    """Length of metrics.jsonl; later lines belong to steps that are repeated."""
    grad_scaler: dict[str, float] = field(default_factory=dict)
    wandb_id: str | None = None

    def note_validation(self, figures: Mapping[str, Any]) -> Rank:
        """Adds a validation of this step; returns its rank among those so far.

        Of equal ones the later is the best, since it has learned more, but is no gain. CTC learns
        blanks first: while every hypothesis is empty, the WER says nothing and the loss decides.

        Args:
            figures: its wer, empty_share and, where it has one, eval_loss.
        """
        wer, loss = figures["wer"], figures.get("eval_loss", math.nan)
        best_loss = math.nan if self.best_loss is None else self.best_loss
        is_silent = figures["empty_share"] == 1 and wer > 0
        self.validations.append((self.step, wer))
        rank: Rank = ""
        if self.best_wer is None or (self.best_is_silent and loss < best_loss):
            rank = "best"
        elif not (is_silent and loss > best_loss) and wer <= self.best_wer:
            rank = "best" if wer < self.best_wer else "equals the best"
        if rank:
            self.best_wer, self.best_step = wer, self.step
            self.best_loss, self.best_is_silent = figures.get("eval_loss"), is_silent
        if is_silent:
            self.silent.append(self.step)
        else:
            self.validations_without_gain = (
                0 if rank == "best" else self.validations_without_gain + 1
            )
        return rank

    @property
    def spoken(self) -> list[tuple[int, float]]:
        """(step, WER) of the validations that judge the training: in which something was said."""
        silent = set(self.silent)
        return [(step, wer) for step, wer in self.validations if step not in silent]

    @property
    def epoch_of_last_step(self) -> int:
        """Counted from 1, as users see it."""
        return self.epoch + (self.micro_batches > 0)
