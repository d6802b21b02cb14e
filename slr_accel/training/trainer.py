"""A run in progress: what train.py's loop tells to step, validate, save and report."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.vocabulary import Vocabulary
from slr_accel.errors import Interrupted, RunError
from slr_accel.features.augmentation import Augmentation
from slr_accel.models.recogniser import Recogniser
from slr_accel.scoring.words import unavoidable_errors
from slr_accel.settings import Settings
from slr_accel.training.average import evaluated_weights, update_average
from slr_accel.training.checkpoint import (
    TrainState,
    optimizer_tensors,
    point_to,
    prune_checkpoints,
    save_checkpoint,
)
from slr_accel.training.data import TrainData, make_epoch, references
from slr_accel.training.describe import describe_batch
from slr_accel.training.feed import StepWork, epoch_work
from slr_accel.training.preemption import StopRequest
from slr_accel.training.report import Report
from slr_accel.training.run import RunFolder
from slr_accel.training.schedules import warmup_cosine
from slr_accel.training.step import StepResult, train_step
from slr_accel.training.validation import validate
from slr_accel.training.zero import Zero

MOST_SKIPPED = 20
"""Steps in a row without a finite gradient after which a run stops; fp16 may need 16 of them to
bring its loss scale down from 2**16."""
MOST_NAMED = 8
"""Sequences named where a step is skipped."""


@dataclass
class Trainer:
    """Everything a step needs. `state` is all that changes besides weights and optimizer."""

    settings: Settings
    corpus: Corpus
    run: RunFolder
    accelerator: Accelerator
    vocabulary: Vocabulary
    data: TrainData
    eval_rows: np.ndarray
    raw_model: Recogniser
    """The model itself; `model` is what accelerate made of it (DDP, autocast)."""
    raw_optimizer: torch.optim.Optimizer
    model: nn.Module
    optimizer: Any
    sharded: Zero | None
    """Under DeepSpeed; `model` is its engine then, and `raw_model` as it was at the last
    `sharded.gather()`."""
    augmentation: Augmentation
    average: dict[str, Tensor] | None
    state: TrainState
    report: Report
    micro_batches_per_step: int
    total_steps: int
    """Of all epochs; the learning rate is planned for these."""
    last_step: int
    """Where the run ends: total_steps, or max_steps before it."""
    epochs_before: int | None
    """Epochs asked for when the run was last started; None at its first start."""
    has_stepped: bool = field(default=False, init=False)
    """Since this start: the first batch is described."""
    epoch_ended: bool = field(default=False, init=False)
    """The last step was the last of its epoch."""
    in_trouble: bool = field(default=False, init=False)
    """The last validation warned: the same is not said again and again."""
    hypotheses: list[tuple[str, str, str, float]] = field(default_factory=list, init=False)
    """Of the last validation since this start, for a table."""

    @property
    def is_over(self) -> bool:
        patience = self.settings.training.early_stopping_patience
        impatient = patience is not None and self.state.validations_without_gain >= patience
        over = impatient or self.state.step >= self.last_step
        return over and not self.state.owes_validation

    def rest_of_epoch(self) -> Iterator[StepWork]:
        """The steps of the current epoch that are not yet taken."""
        return epoch_work(
            self.corpus,
            make_epoch(self.settings, self.data, self.state.epoch),
            first=self.state.micro_batches,
            per_step=self.micro_batches_per_step,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
            max_frames=self.settings.loading.max_frames,
        )

    def step(self, work: StepWork, *, stop_requested: bool) -> StepResult:
        """Takes one optimizer step. Raises RunError after too many without a finite gradient."""
        options, state = self.settings.training, self.state
        if not self.has_stepped:
            first = work.micro_batches[0].batch
            self.report.say(describe_batch(first, self.corpus, self.vocabulary))
            self.has_stepped = True
        learning_rate = options.learning_rate * warmup_cosine(
            state.step, total_steps=self.total_steps, warmup_ratio=options.warmup_ratio
        )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        result = train_step(
            self.accelerator,
            self.model,
            self.optimizer,
            self.augmentation,
            work,
            epoch=state.epoch,
            seed=options.seed,
            max_grad_norm=options.max_grad_norm,
            stop_requested=stop_requested,
        )
        if self.average is not None and result.took_step:
            self._gather()
            update_average(self.average, self.raw_model, options.ema_decay, state.step + 1)
        self._count(work, result)
        self.report.step(state.step, state.epoch, work.num_frames)
        if state.step % options.log_steps == 0:
            self._log_training(learning_rate, result.grad_norm)
        return result

    def _gather(self) -> None:
        if self.sharded is not None:
            self.sharded.gather()

    def _count(self, work: StepWork, result: StepResult) -> None:
        state = self.state
        state.step += 1
        state.micro_batches += work.num_micro_batches
        self.epoch_ended = work.is_last
        if work.is_last:
            state.epoch, state.micro_batches = state.epoch + 1, 0
        if result.took_step:
            state.loss_sum += sum(result.losses)
            state.num_targets += work.num_targets
            state.skipped_in_a_row = state.skipped_losses = 0
            return
        state.skipped_in_a_row += 1
        self.report.alert("not finite", self._why_skipped(work, result))
        if state.skipped_in_a_row >= MOST_SKIPPED:
            raise RunError(
                f"{MOST_SKIPPED} steps in a row had a loss or a gradient that is not finite, "
                f"{state.skipped_losses} of them a loss. "
                + (
                    "Look for extreme values in the sequences named above: `slr-accel inspect`"
                    if state.skipped_losses
                    else "The losses were finite, so lower learning_rate or max_grad_norm"
                )
            )

    def _why_skipped(self, work: StepWork, result: StepResult) -> str:
        """Which loss is not finite, else that a gradient is not, and the sequences it is of."""
        wrong = [i for i, loss in enumerate(result.losses) if not math.isfinite(loss)]
        self.state.skipped_losses += bool(wrong)
        rows = np.concatenate([work.rows[i] for i in wrong] if wrong else work.rows)
        names = [self.corpus.rows.id(int(row)) for row in rows[:MOST_NAMED]]
        return (
            f"step {self.state.step}: a {'loss' if wrong else 'gradient'} is not finite, the "
            f"weights stay; {len(rows)} sequences: {', '.join(names)}"
            + (", ..." if len(rows) > len(names) else "")
        )

    def _log_training(self, learning_rate: float, grad_norm: float) -> None:
        state = self.state
        record = {"step": state.step, "epoch": state.epoch, "learning_rate": learning_rate}
        if state.num_targets:
            record["loss"] = state.loss_sum / state.num_targets
        if math.isfinite(grad_norm):
            record["grad_norm"] = grad_norm
        self.report.log(record)
        state.loss_sum, state.num_targets = 0.0, 0

    @property
    def validation_is_due(self) -> bool:
        every = self.settings.training.eval_steps
        due = self.epoch_ended if every is None else self.state.step % every == 0
        return due or self.state.step >= self.last_step

    def validate(self, stop: StopRequest) -> bool:
        """Scores the validation split with the averaged weights, where there are some.

        False where a signal cut it short: then it is owed, and nothing else has changed.
        """
        state = self.state
        state.owes_validation = True
        self._gather()
        try:
            with evaluated_weights(self.raw_model, self.average):
                found = validate(
                    self.accelerator,
                    self.raw_model,
                    self.settings,
                    self.corpus,
                    self.eval_rows,
                    self.vocabulary,
                    stops=lambda: stop.is_anywhere(self.accelerator),
                )
        except Interrupted:
            return False
        state.owes_validation = False
        figures, trouble, self.hypotheses = found.figures, found.trouble, found.hypotheses
        before = math.inf if state.best_wer is None else state.best_wer
        gained, is_best = figures["wer"] < before, figures["wer"] <= before
        state.validations_without_gain = 0 if gained else state.validations_without_gain + 1
        if is_best:  # of equal ones the later, which has learned more
            state.best_wer, state.best_step = figures["wer"], state.step
            self.report.best(figures["wer"], state.step)
        self.report.log({"step": state.step, "epoch": state.epoch, **figures})
        spelling = f"  CER {figures['cer']:.2%}" if "cer" in figures else ""
        self.report.say(
            f"epoch {state.epoch}  step {state.step}  WER {figures['wer']:.2%}"
            f"{' (best)' if is_best else ''}{spelling}  blank frames {figures['blank_share']:.0%}"
            f"  empty {figures['empty_share']:.0%}  distinct tokens {figures['distinct_tokens']}"
        )
        if trouble is not None and not self.in_trouble:
            self.report.alert("collapse", f"warning: {trouble}")
        self.in_trouble = trouble is not None
        return True

    @property
    def save_is_due(self) -> bool:
        every = self.settings.training.save_steps
        return every is not None and self.state.step % every == 0

    def save(self) -> None:
        """Writes a checkpoint (one process does) and removes those that are not kept."""
        state, scaler = self.state, self.accelerator.scaler
        self._gather()
        if self.sharded is not None:
            optimizer = self.sharded.optimizer_tensors()
        else:
            optimizer = optimizer_tensors(self.raw_model, self.raw_optimizer)
        if not self.accelerator.is_main_process:
            return
        state.metrics_bytes, state.wandb_id = self.report.metrics_bytes, self.report.wandb_id
        state.grad_scaler = {} if scaler is None else scaler.state_dict()
        folder = save_checkpoint(
            self.run.checkpoints,
            model=self.raw_model,
            vocabulary=self.vocabulary,
            optimizer=optimizer,
            average=self.average,
            state=state,
        )
        if state.best_step == state.step:
            point_to(self.run.best, folder)
        if state.owes_validation:  # this checkpoint will be written again: one more stays till then
            return
        prune_checkpoints(
            self.run.checkpoints,
            keep_last=self.settings.training.keep_last,
            best_step=state.best_step,
        )

    def announce(self) -> None:
        """Says what is trained on what, and where the run stands."""
        model, data = self.raw_model, self.data
        parameters = sum(p.numel() for p in model.parameters())
        say = self.report.say
        say(
            f"{len(data.rows)} train and {len(self.eval_rows)} "
            f"{self.settings.training.eval_split} sequences, {len(self.vocabulary.tokens)} tokens; "
            f"layout {self.corpus.layout.signature}"
        )
        for reason in data.dropped:
            say(f"warning: {reason}")
        self._announce_floor()
        loading = self.settings.loading
        for name in ("crop_probability", "exchange_probability"):
            if getattr(loading, name) and not data.takes:
                say(f"warning: {name} has no effect, no sequence has a segment for each token")
        if self.settings.loading.cache_dir is not None and not self.corpus.is_remote:
            say("warning: cache_dir has no effect, the corpus is a folder of this machine")
        say(
            f"{self.settings.training.model} with {parameters / 1e6:.2f} M parameters "
            f"({parameters * 4 / 1e6:.1f} MB), "
            f"{model.features.num_features} features a frame; "
            f"{self.accelerator.num_processes} process(es) on {self.accelerator.device.type}, "
            f"{self.micro_batches_per_step} micro-batch(es) a step"
        )
        if self.state.step and not self.is_over:
            say(f"continues at step {self.state.step} of {self.last_step}")
        if self.epochs_before not in (None, self.settings.training.epochs):
            say(
                f"epochs were {self.epochs_before} and are {self.settings.training.epochs} now: "
                f"the learning rate follows the cosine over {self.total_steps} steps from here"
            )
        if self.is_over and self.state.step >= self.last_step:
            limit = "epochs" if self.last_step == self.total_steps else "max_steps"
            say(f"this run is complete; raise {limit} to train it further")
        elif self.is_over:
            say("this run stopped early; raise early_stopping_patience to train it further")

    def _announce_floor(self) -> None:
        policy, split = self.vocabulary.label_policy, self.settings.training.eval_split
        expected = references(self.corpus, self.eval_rows, policy)
        floor = unavoidable_errors(self.vocabulary, expected)
        if floor.errors:
            self.report.say(
                f"label policy {policy}: not even a perfect recogniser gets below {floor.wer:.2%} "
                f"WER on {split}, where {floor.errors} of {floor.reference_tokens} words cannot "
                "be said in its vocabulary"
            )

    def stopped_by(self, stop: StopRequest) -> int:
        """Says that the run was saved upon a signal; returns the exit code."""
        self.report.draw()
        self.report.say(f"{stop.name}: saved at step {self.state.step}; the same command continues")
        return stop.exit_code

    def finish(self) -> int:
        """Draws the curves and says where the results are; returns the exit code."""
        curves = self.report.draw()
        self.report.hypotheses(self.hypotheses)
        state = self.state
        if state.best_wer is not None:
            self.report.say(
                f"best WER {state.best_wer:.2%} at step {state.best_step}: {self.run.best}\n"
                f"curves: {curves}\n"
                f"score it: slr-accel evaluate {shlex.quote(str(self.run.path))} "
                f"--split {self.settings.training.eval_split}"
            )
        return 0
