"""How a run comes to stand: processes, vocabulary, model, statistics, optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from accelerate import Accelerator
from torch import Tensor

from slr_accel.corpus.reader import Corpus
from slr_accel.features.augmentation import Augmentation
from slr_accel.features.statistics import train_statistics
from slr_accel.features.transform import FeatureTransform
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.plan import accumulation_for
from slr_accel.models.build import make_model
from slr_accel.models.compiled import compile_parts
from slr_accel.models.find import VOCABULARY_FILE
from slr_accel.models.folder import load_tensors, save_tensors
from slr_accel.models.recogniser import Recogniser
from slr_accel.processes import deepspeed
from slr_accel.processes.accelerator import make_accelerator
from slr_accel.processes.lost_peers import lost_peers_explained
from slr_accel.progress import track, untracked
from slr_accel.runs.checkpoint_writer import CheckpointWriter
from slr_accel.runs.init_from import take_weights
from slr_accel.runs.resume import check_agreement, mend_best, resume, set_aside
from slr_accel.runs.run_folder import RunFolder, create_run, locked, record_start, write_config
from slr_accel.scoring.references import evaluation_rows
from slr_accel.settings.models import alignment_stride
from slr_accel.settings.run import Settings
from slr_accel.training import zero
from slr_accel.training.data import (
    count_steps,
    make_epoch,
    make_vocabulary,
    statistics_rows,
    train_data,
)
from slr_accel.training.largest_batch import (
    found_batch_frames,
    try_largest_batch,
    with_batch_frames,
)
from slr_accel.training.profile import StepProfiler
from slr_accel.training.run_log import Report
from slr_accel.training.step import parameter_groups
from slr_accel.training.trainer import Trainer


def micro_batches_per_step(settings: Settings, run: RunFolder, world_size: int) -> int:
    """Fixed by the first start of a run. ValueError where another number is given later."""
    training = settings.training
    if run.exists:
        per_step = int(run.environment()["micro_batches_per_step"])
        steps, before = training.accumulation_steps, run.config().get("accumulation_steps")
        if steps not in (None, before) and steps * world_size != per_step:
            raise ValueError(
                f"accumulation_steps: {before} then, {steps} now; an optimizer step of {run.path} "
                f"has {per_step} micro-batch(es) and cannot change"
            )
        if training.micro_batches_per_step not in (None, per_step):
            raise ValueError(
                f"micro_batches_per_step: {per_step} then, {training.micro_batches_per_step} now; "
                f"an optimizer step of {run.path} cannot change"
            )
    elif training.micro_batches_per_step is not None:
        per_step = training.micro_batches_per_step
    else:
        per_step = (training.accumulation_steps or 1) * world_size
    return per_step


def start_run(
    accelerator: Accelerator, settings: Settings, corpus: Corpus, run: RunFolder, per_step: int
) -> Vocabulary:
    """Makes the run folder at the first start (one process does), and reads its vocabulary."""
    if accelerator.is_main_process and not run.exists:
        run.path.mkdir(parents=True, exist_ok=True)
        vocabulary = make_vocabulary(settings, corpus)
        # Tried before the folder becomes a run: what fails here may be corrected and repeated.
        data = train_data(settings, corpus, vocabulary)
        statistics = train_statistics(
            make_transform(settings, corpus),
            corpus,
            statistics_rows(settings, corpus, data),
            settings.loading.max_frames,
        )
        model = fresh_model(settings, corpus, vocabulary, statistics)
        if settings.training.init_from is not None:
            take_weights(model, vocabulary, settings.training.init_from)
        vocabulary.save(run.path / VOCABULARY_FILE)
        save_tensors(statistics, run.statistics)
        create_run(
            run,
            corpus,
            micro_batches_per_step=per_step,
            mixed_precision=accelerator.mixed_precision,
        )
    accelerator.wait_for_everyone()
    before = run.environment()["mixed_precision"]
    if before != accelerator.mixed_precision:
        raise ValueError(
            f"mixed_precision of {run.path}: {before} then, {accelerator.mixed_precision} now"
        )
    if accelerator.is_main_process:
        write_config(run, settings, corpus)
    return Vocabulary.load(run.path / VOCABULARY_FILE)


def make_transform(settings: Settings, corpus: Corpus) -> FeatureTransform:
    return FeatureTransform(corpus.layout, settings.features, corpus.info.frames_per_second)


def fresh_model(
    settings: Settings, corpus: Corpus, vocabulary: Vocabulary, statistics: dict[str, Tensor]
) -> Recogniser:
    """The model with fresh weights of the run's seed."""
    loading = settings.loading
    torch.manual_seed(settings.training.seed)
    model = make_model(
        settings.training.model,
        make_transform(settings, corpus),
        settings.model,
        vocabulary.num_outputs,
        loading.max_frames if loading.dynamic_truncation else None,
    )
    model.features.mean.copy_(statistics["mean"])
    model.features.deviation.copy_(statistics["deviation"])
    return model


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
    epochs_before = run.config().get("epochs") if run.exists else None
    per_step = micro_batches_per_step(settings, run, accelerator.num_processes)
    accumulation = accumulation_for(per_step, accelerator.num_processes)
    if deepspeed.is_asked_for():
        zero.check(accelerator, settings, accumulation)
    vocabulary = start_run(accelerator, settings, corpus, run, per_step)
    data = train_data(settings, corpus, vocabulary)
    statistics = load_tensors(run.statistics)
    raw_model = fresh_model(settings, corpus, vocabulary, statistics)
    raw_optimizer = make_optimizer(settings, raw_model)
    state, average, unread = resume(
        settings, run, raw_model, raw_optimizer, vocabulary, accelerator.device
    )
    check_agreement(run, state)
    augmentation = Augmentation(
        corpus.layout,
        settings.augmentation,
        alignment_stride(settings.model),
        statistics["column_deviation"],
    )
    if settings.training.compile:
        compile_parts(raw_model, accelerator.device)
    if deepspeed.is_asked_for():
        sharded = zero.Zero(accelerator, settings, raw_model, raw_optimizer, accumulation)
        raw_model, model, optimizer = sharded.whole, sharded.engine, sharded.optimizer
    else:
        sharded = None
        model, optimizer = accelerator.prepare(raw_model, raw_optimizer)
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
    eval_rows = evaluation_rows(corpus, settings.training.eval_split)
    # On a CPU nothing is raised; a sharded model has no backward of its own.
    if accelerator.device.type == "cuda" and sharded is None and state.step < last_step:
        epoch = make_epoch(settings, data, state.epoch)
        try_largest_batch(settings, corpus, epoch, raw_model, raw_optimizer)
    report = Report(settings, run, is_main=is_main, total_steps=last_step, state=state)
    with ExitStack() as stack:
        stack.enter_context(report)
        if is_main:
            for text in set_aside(unread):
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
            raw_model=raw_model,
            raw_optimizer=raw_optimizer,
            model=model,
            optimizer=optimizer,
            sharded=sharded,
            augmentation=augmentation.to(accelerator.device),
            average=average,
            state=state,
            report=report,
            writer=writer,
            profiler=profiler,
            micro_batches_per_step=per_step,
            total_steps=total_steps,
            last_step=last_step,
            epochs_before=epochs_before,
        )
