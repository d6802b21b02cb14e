"""Sums what happens between two lines of metrics, and makes the record of a line."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from slr_accel.runs.train_state import TrainState
from slr_accel.training.step import StepResult
from slr_accel.training.step_work import StepWork


class MetricsLine:
    """Keeps its sums in the training state, so that a resumed run logs the same lines."""

    def __init__(self, state: TrainState, max_grad_norm: float) -> None:
        self._state = state
        self._max_grad_norm = max_grad_norm
        self._update_ratio: float | Tensor | None = state.update_ratio

    def count(self, work: StepWork, result: StepResult, *, is_fault: bool = True) -> None:
        """Adds a step that is done; one that was left out counts as skipped where it `is_fault`."""
        state, update = self._state, result.update
        state.steps_since_line += 1
        state.clipped_since_line += update.took_step and update.grad_norm > self._max_grad_norm
        state.skipped_since_line += is_fault and not update.took_step
        if not update.took_step:
            return
        state.num_targets += work.num_targets
        for name, losses in result.losses.items():
            if name == "ctc":
                state.loss_sum += sum(losses)
            else:
                state.term_sums[name] = state.term_sums.get(name, 0.0) + sum(losses)

    def record(self, learning_rate: float, result: StepResult) -> dict[str, Any]:
        """The figures since the last line, and those of the step `result`; begins a new line.

        `update_ratio` is of the last line's step: the device is not waited for to read it.
        """
        state, update = self._state, result.update
        record = {"step": state.step, "epoch": state.epoch, "learning_rate": learning_rate}
        if state.num_targets:
            record["loss"] = state.loss_sum / state.num_targets
            for name, term_sum in state.term_sums.items():
                record[f"loss_{name}"] = term_sum / state.num_targets
        if math.isfinite(update.grad_norm):
            record["grad_norm"] = update.grad_norm
            record |= {f"grad_norm_{part}": value for part, value in update.part_norms.items()}
        record["clipped_share"] = state.clipped_since_line / state.steps_since_line
        record["skipped_steps"] = state.skipped_since_line
        if self._update_ratio is not None:
            record["update_ratio"] = float(self._update_ratio)
        if result.outputs is not None:
            record |= {f"train_{name}": mean for name, mean in result.outputs.figures().items()}
        if result.spike_offset is not None:
            record["spike_offset"] = result.spike_offset
        self._update_ratio = update.ratio
        state.loss_sum, state.num_targets, state.term_sums = 0.0, 0, {}
        state.steps_since_line = state.clipped_since_line = state.skipped_since_line = 0
        return record

    def before_save(self) -> None:
        """Puts what is still on the device into the training state."""
        ratio = self._update_ratio
        self._state.update_ratio = None if ratio is None else float(ratio)
