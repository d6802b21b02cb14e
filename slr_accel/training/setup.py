"""Sets a run up: joins the processes, builds its parts, and loads its last checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from accelerate import Accelerator
from torch.nn.parallel import DistributedDataParallel

from slr_accel.corpus.reader import Corpus
from slr_accel.ctc.decoders import make_decoder
from slr_accel.features.augmentation import Augmentation
from slr_accel.loading.plan import accumulation_for
from slr_accel.models.compiled import compile_parts
from slr_accel.models.recogniser import Recogniser
from slr_accel.models.student_reference import has_statistics
from slr_accel.processes import deepspeed
from slr_accel.processes.accelerator import make_accelerator
from slr_accel.processes.lost_peers import lost_peers_explained
from slr_accel.progress import track, untracked
from slr_accel.runs.checkpoint_writer import CheckpointWriter
from slr_accel.runs.resume import check_agreement, mend_best, resume, set_aside
from slr_accel.runs.run_folder import RunFolder, locked, record_start
from slr_accel.settings.run import Settings
from slr_accel.training import zero
from slr_accel.training.data import count_steps, evaluation_targets, make_epoch, scored_rows
from slr_accel.training.largest_batch import (
    found_batch_frames,
    try_largest_batch,
    try_largest_validation,
    with_batch_frames,
)
from slr_accel.training.preparation import Preparation, cache_of, make_teachers
from slr_accel.training.profile import StepProfiler
from slr_accel.training.run_log import RunLog
from slr_accel.training.start import micro_batches_per_step, start_run
from slr_accel.training.step import parameter_groups
from slr_accel.training.trainer import Trainer
from slr_accel.training.weights import Weights


def make_optimizer(settings: Settings, model: Recogniser) -> torch.optim.Optimizer:
    groups = parameter_groups(model, settings.training.weight_decay)
    if settings.training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.training.learning_rate, fused=True)
    return torch.optim.AdamW(groups, lr=settings.training.learning_rate, eps=1e-8, fused=True)


@contextmanager
def set_up(settings: Settings, corpus: Corpus, run: RunFolder) -> Iterator[Trainer]:
    """Joins the other processes and brings the run to where its last checkpoint left it."""
    accelerator = make_accelerator(settings.training.mixed_precision)
    with ExitStack() as stack:
        stack.callback(accelerator.end_training)
        if settings.loading.batch_frames == "auto" and accelerator.device.type != "cuda":
            raise ValueError("batch_frames auto needs a GPU to try batches on; give a number")
        if accelerator.is_main_process:
            stack.enter_context(locked(run))
        stack.enter_context(lost_peers_explained())
        yield stack.enter_context(_trainer(accelerator, settings, corpus, run))
        accelerator.wait_for_everyone()


@contextmanager
def _trainer(
    accelerator: Accelerator, settings: Settings, corpus: Corpus, run: RunFolder
) -> Iterator[Trainer]:
    is_main = accelerator.is_main_process
    epochs_before = run.config().get("epochs") if run.has_checkpoint else None
    per_step = micro_batches_per_step(settings, run, accelerator.num_processes)
    accumulation = accumulation_for(per_step, accelerator.num_processes)
    if deepspeed.is_asked_for():
        zero.check(accelerator, settings, accumulation)
    start = start_run(accelerator, settings, corpus, run, per_step)
    vocabulary, data, raw_model = start.vocabulary, start.data, start.model
    cache = cache_of(settings, corpus, vocabulary, data)
    if cache is not None:
        data = replace(data, views=cache.info.views)
    raw_optimizer = make_optimizer(settings, raw_model)
    make_decoder(settings.decoding, vocabulary)  # a wrong language model is found before training
    state, average, unread = resume(settings, run, raw_model, raw_optimizer, accelerator.device)
    check_agreement(run, state)
    augmentation = Augmentation(
        corpus.layout,
        settings.augmentation,
        settings.model.alignment_stride,
        start.statistics["column_deviation"],
    )
    teachers = make_teachers(
        accelerator, settings, corpus, run, vocabulary, raw_model, average, cache
    )
    if settings.training.compile:
        compile_parts(raw_model, accelerator.device)
    if deepspeed.is_asked_for():
        sharded = zero.Zero(accelerator, settings, raw_model, raw_optimizer, accumulation)
        raw_model, model, optimizer = sharded.whole, sharded.engine, sharded.optimizer
    else:
        sharded = None
        model, optimizer = accelerator.prepare(raw_model, raw_optimizer)
        # DDP sends all buffers once, and then before each forward, though most are constant.
        if isinstance(model, DistributedDataParallel):
            model.broadcast_buffers = has_statistics(raw_model)
    if accelerator.scaler is not None and state.grad_scaler:
        accelerator.scaler.load_state_dict(state.grad_scaler)
    if settings.loading.batch_frames == "auto":
        settings = with_batch_frames(
            settings,
            found_batch_frames(accelerator, settings, corpus, run, data, raw_model, raw_optimizer),
        )
    total_steps = count_steps(settings, data, per_step, track if is_main else untracked)
    last_step = min(total_steps, settings.training.max_steps or total_steps)
    if is_main:
        record_start(
            run,
            step=state.step,
            device=str(accelerator.device),
            world_size=accelerator.num_processes,
        )
    eval_rows = scored_rows(settings, corpus, data)
    # On a CPU nothing is raised; a sharded model has no backward of its own.
    if accelerator.device.type == "cuda" and sharded is None and state.step < last_step:
        epoch = make_epoch(settings, data, state.epoch)
        try_largest_batch(settings, corpus, epoch, raw_model, raw_optimizer)
        try_largest_validation(settings, corpus, eval_rows, raw_model)
    report = RunLog(
        settings,
        run,
        is_main=is_main,
        total_steps=last_step,
        planned_steps=total_steps,
        state=state,
    )
    with ExitStack() as stack:
        stack.enter_context(report)
        if is_main:
            for text in (*start.notes, *set_aside(unread)):
                report.say(text)
            mend_best(run, state)
        profiler = None
        if settings.training.profile is not None and is_main:
            folder = run.path / "profile"
            profiler = StepProfiler(folder, settings.training.profile, report.say)
            stack.enter_context(profiler)
        writer = stack.enter_context(CheckpointWriter(run, settings.training, report.say))
        yield Trainer(
            settings=settings,
            corpus=corpus,
            run=run,
            accelerator=accelerator,
            vocabulary=vocabulary,
            data=data,
            eval_rows=eval_rows,
            eval_targets=evaluation_targets(settings, corpus, vocabulary, eval_rows),
            weights=Weights(raw_model, model, raw_optimizer, optimizer, sharded, average),
            preparation=Preparation(augmentation.to(accelerator.device), teachers, cache),
            state=state,
            report=report,
            writer=writer,
            profiler=profiler,
            micro_batches_per_step=per_step,
            total_steps=total_steps,
            last_step=last_step,
            epochs_before=epochs_before,
        )
