"""Holds a run in progress, with the steps, validations and saves that train.py calls."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from accelerate import Accelerator

from slr_accel.corpus.reader import Corpus
from slr_accel.ctc.decoders import Decoder, greedy_decode
from slr_accel.diagnosis.overfit_status import status, zeros_at_end
from slr_accel.errors import Interrupted, out_of_memory_as
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.buffers import Buffers
from slr_accel.processes.preemption import StopRequest
from slr_accel.runs.checkpoint_writer import CheckpointWriter
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import TrainState
from slr_accel.settings.run import Settings
from slr_accel.training import descriptions
from slr_accel.training.data import TrainData, make_epoch
from slr_accel.training.health_watch import stopped_by_collapse
from slr_accel.training.largest_batch import step_out_of_memory
from slr_accel.training.losses import criterion
from slr_accel.training.metrics_line import MetricsLine
from slr_accel.training.not_finite import (
    MOST_SKIPPED,
    lowers_loss_scale,
    too_many_skipped,
    why_skipped,
    wrong_losses,
)
from slr_accel.training.preparation import Preparation
from slr_accel.training.profile import StepProfiler
from slr_accel.training.run_log import RunLog
from slr_accel.training.schedules import learning_rate_factor
from slr_accel.training.step import StepResult, train_step
from slr_accel.training.step_work import StepWork, epoch_work
from slr_accel.training.validation import Validation, validate
from slr_accel.training.weights import Weights


@dataclass
class Trainer:
    """A run in progress. Besides weights and optimizer, only `state` changes."""

    settings: Settings
    corpus: Corpus
    run: RunFolder
    accelerator: Accelerator
    vocabulary: Vocabulary
    data: TrainData
    eval_rows: np.ndarray
    eval_targets: dict[int, list[int]]
    """Token ids of the evaluation rows whose loss can be computed."""
    weights: Weights
    preparation: Preparation
    state: TrainState
    report: RunLog
    writer: CheckpointWriter
    profiler: StepProfiler | None
    decoder: Decoder
    """Of the settings, for the end of the run; validations are greedy."""
    micro_batches_per_step: int
    total_steps: int
    """Steps of all epochs, which the schedule of the learning rate spans."""
    last_step: int
    """The step at which the run ends: total_steps, or max_steps before it."""
    epochs_before: int | None
    """Epochs asked for when the run was last started; None at its first start."""
    buffers: Buffers = field(default_factory=Buffers, init=False)
    """Memory of batches, kept from one pass over the corpus to the next."""
    line: MetricsLine = field(init=False)
    has_stepped: bool = field(default=False, init=False)
    """Whether a step was taken since this start: the first batch is described."""
    epoch_ended: bool = field(default=False, init=False)
    """Whether the last step was the last of its epoch."""
    trouble: str | None = field(default=None, init=False)
    """The warning of the last validation since this start."""
    hypotheses: list[tuple[str, str, str, float]] = field(default_factory=list, init=False)
    """Hypotheses of the last validation since this start, for a table at wandb."""

    def __post_init__(self) -> None:
        self.line = MetricsLine(self.state, self.settings.training.max_grad_norm)

    @property
    def is_over(self) -> bool:
        over = self.stopped_early_by is not None or self.state.step >= self.last_step
        return over and not self.state.owes_validation

    @property
    def stopped_early_by(self) -> str | None:
        """The setting whose patience is exhausted; None where the run may go on."""
        options, state = self.settings.training, self.state
        if state.validations_without_gain >= (options.early_stopping_patience or math.inf):
            return "early_stopping_patience"
        if zeros_at_end(state.validations) >= (options.zero_wer_patience or math.inf):
            return "zero_wer_patience"
        return None

    def rest_of_epoch(self) -> Iterator[StepWork]:
        """Yields the steps of the current epoch that are not yet taken."""
        epoch, seed = self.state.epoch, self.settings.training.seed
        return epoch_work(
            self.corpus,
            make_epoch(self.settings, self.data, epoch),
            first=self.state.micro_batches,
            per_step=self.micro_batches_per_step,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
            max_frames=self.settings.loading.max_frames,
            finish=partial(self.preparation.drawn, seed=seed, epoch=epoch),
            buffers=self.buffers,
        )

    def step(self, work: StepWork, *, stop_requested: bool) -> StepResult:
        """Takes one optimizer step.

        Raises:
            RunError: too many in a row were without a finite gradient.
            OutOfMemory: a batch does not fit.
            OSError: a checkpoint that is saved beside the training could not be written.
        """
        options, state = self.settings.training, self.state
        if not self.has_stepped:
            first = work.micro_batches[0].batch
            self.report.say(descriptions.describe_batch(first, self.corpus, self.vocabulary))
            self.has_stepped = True
        factor = learning_rate_factor(
            options,
            state.step,
            total_steps=self.total_steps,
            wers=[wer for _, wer in state.spoken],
        )
        learning_rate = factor * options.learning_rate
        self.weights.set_learning_rate(learning_rate)
        with out_of_memory_as(partial(step_out_of_memory, self.settings, self.corpus, work)):
            result = train_step(
                self.accelerator,
                self.weights.trained,
                self.weights.optimizer,
                self.preparation,
                work,
                epoch=state.epoch,
                seed=options.seed,
                max_grad_norm=options.max_grad_norm,
                criterion=criterion(self.settings, factor, state.step / self.total_steps),
                stop_requested=stop_requested,
                collapsed=self.report.collapse is not None,
                measured=self._logs_step(state.step + 1),
            )
        if result.update.took_step:
            self.weights.update_average(options.ema_decay, state.step + 1)
        self._count(work, result)
        self.report.step(state.step, state.epoch_of_last_step, work)
        self.writer.check()
        if self.profiler is not None:
            self.profiler.step()
        if self._logs_step(state.step):
            self.report.log(self.line.record(learning_rate, result))
        return result

    def _logs_step(self, step: int) -> bool:
        return step % self.settings.training.log_steps == 0 or step >= self.last_step

    def _count(self, work: StepWork, result: StepResult) -> None:
        state = self.state
        state.step += 1
        state.micro_batches += work.num_micro_batches
        self.epoch_ended = work.is_last
        if work.is_last:
            state.epoch, state.micro_batches = state.epoch + 1, 0
        is_fault = not lowers_loss_scale(self.accelerator.scaler, result, state.skipped_in_a_row)
        self.line.count(work, result, is_fault=is_fault)
        if result.update.took_step:
            state.skipped_in_a_row = state.skipped_losses = 0
            return
        state.skipped_in_a_row += 1
        state.skipped_losses += bool(wrong_losses(result))
        if is_fault:
            why = why_skipped(work, result, self.corpus)
            self.report.alert("not finite", f"step {state.step}: {why}")
        if state.skipped_in_a_row >= MOST_SKIPPED:
            raise too_many_skipped(state.skipped_losses)

    @property
    def validation_is_due(self) -> bool:
        every = self.settings.training.eval_steps
        due = self.epoch_ended if every is None else self.state.step % every == 0
        return due or self.state.step >= self.last_step

    def validate(self, stop: StopRequest) -> bool:
        """Scores the validation split, with EMA both the average and the raw weights.

        Returns False where a signal interrupted it: it is then owed, and nothing else has changed.
        """
        state = self.state
        state.owes_validation = True
        try:
            with self.weights.evaluated(num_processes=self.accelerator.num_processes):
                found = self.scores(stop)
            has_average = self.weights.average is not None
            raw = self.scores(stop).figures["wer"] if has_average else None
        except Interrupted:
            return False
        state.owes_validation = False
        self.hypotheses = found.hypotheses
        self._note_validation(found.figures if raw is None else {**found.figures, "wer_raw": raw})
        self.trouble = found.trouble
        return True

    def _note_validation(self, figures: dict[str, Any]) -> None:
        """Decides whether the validation is the best one, and reports it."""
        state, epoch = self.state, self.state.epoch_of_last_step
        rank = state.note_validation(figures)
        if rank:
            self.report.best(figures["wer"], state.step)
        self.report.log({"step": state.step, "epoch": state.epoch, **figures})
        line = descriptions.describe_validation(epoch, state.step, figures, rank)
        patience = self.settings.training.zero_wer_patience
        if patience is not None:
            line += f"  {status(figures, zeros_at_end(state.validations), patience)}"
        self.report.say(line)

    def scores(self, stop: StopRequest, decoder: Decoder = greedy_decode) -> Validation:
        """Scores the validation split with the present weights. Raises Interrupted by a signal."""
        return validate(
            self.accelerator,
            self.weights.model,
            self.settings,
            self.corpus,
            self.eval_rows,
            self.vocabulary,
            targets=self.eval_targets,
            buffers=self.buffers,
            stops=lambda: stop.is_anywhere(self.accelerator),
            decoder=decoder,
        )

    @property
    def save_is_due(self) -> bool:
        options = self.settings.training
        intervals = [every for every in (options.save_steps, options.keep_every) if every]
        return any(self.state.step % every == 0 for every in intervals)

    def save(self) -> None:
        """Writes a checkpoint, on one process, and removes those that are not kept."""
        state, scaler = self.state, self.accelerator.scaler
        self.weights.gather()
        optimizer = self.weights.optimizer_tensors()
        if not self.accelerator.is_main_process:
            return
        state.metrics_bytes, state.wandb_id = self.report.metrics_bytes, self.report.wandb_id
        state.alarms = self.report.alarms
        state.grad_scaler = {} if scaler is None else scaler.state_dict()
        self.line.before_save()
        self.writer.save(
            model=self.weights.model,
            vocabulary=self.vocabulary,
            optimizer=optimizer,
            average=self.weights.average,
            state=state,
        )
        self.report.leave_out()

    def check_health(self, result: StepResult) -> None:
        """Saves and raises RunError where a collapse ends the run (--on_collapse stop)."""
        if not result.collapsed:
            return
        self.save()
        self.writer.wait()
        self.report.draw()
        raise stopped_by_collapse(self.state.step, self.report.collapse)

    def stopped_by(self, stop: StopRequest) -> int:
        """Reports that the run was saved after a signal; returns the exit code."""
        self.writer.wait()
        self.report.draw()
        self.report.say(f"{stop.name}: saved at step {self.state.step}; the same command continues")
        return stop.exit_code

    def finish(self, average_wer: float | None) -> int:
        """Says where the results are, and the WER of an average where it is best; the exit code."""
        self.writer.wait()
        curves = self.report.draw()
        self.report.hypotheses(self.hypotheses)
        if self.state.best_wer is not None:
            self.report.say(
                descriptions.describe_end(self.settings, self.run, self.state, average_wer, curves)
            )
        for text in descriptions.describe_trouble(
            self.settings, self.run, self.state, self.trouble, self.report.alarms
        ):
            self.report.say(text)
        return 0
