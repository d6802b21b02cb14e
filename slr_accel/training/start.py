"""Builds the parts of a run that its first start fixes: vocabulary, data, statistics, model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from slr_accel.corpus.reader import Corpus
from slr_accel.features.statistics import measure
from slr_accel.features.transform import FeatureTransform
from slr_accel.inspection.content_checks import far_values
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.build import make_model
from slr_accel.models.find import VOCABULARY_FILE
from slr_accel.models.folder import load_tensors, save_tensors
from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.checkpoint import all_checkpoints
from slr_accel.runs.init_from import take_layers, take_weights
from slr_accel.runs.run_folder import ENVIRONMENT_FILE, RunFolder, create_run, write_config
from slr_accel.settings.run import Settings
from slr_accel.training.data import TrainData, make_vocabulary, statistics_rows, train_data
from slr_accel.training.preparation import check_teaching

FAR_LEFT_OUT = (
    "The statistics of the features leave such values out, and they are clamped; `slr-accel "
    "inspect` says more."
)


@dataclass(frozen=True)
class Start:
    """What all processes of a run have in common before a checkpoint is loaded."""

    vocabulary: Vocabulary
    data: TrainData
    statistics: dict[str, Tensor]
    """Of the features, over the train split."""
    model: Recogniser
    """With fresh weights of the run's seed, or those of init_from."""
    notes: tuple[str, ...] = ()
    """What the first start has to say: of values that are far from others, and of init_from."""


def micro_batches_per_step(settings: Settings, run: RunFolder, world_size: int) -> int:
    """Fixed by the first start of a run. ValueError where another number is given later."""
    training = settings.training
    if run.has_checkpoint:
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
) -> Start:
    """Builds the start of a run, once on each process.

    While there is no checkpoint, one process builds all and then makes the folder a run, so that
    what fails may be corrected and repeated; the others read its files.

    Raises:
        ValueError: another precision than the run's, or the processes share no folder.
    """
    start = None
    if accelerator.is_main_process and not run.has_checkpoint:
        start = _first_start(settings, corpus, run)
        create_run(
            run,
            corpus,
            micro_batches_per_step=per_step,
            mixed_precision=accelerator.mixed_precision,
        )
    accelerator.wait_for_everyone()
    if not (run.path / ENVIRONMENT_FILE).is_file():
        raise ValueError(
            f"another process has made the run {run.path}, which is not there on this machine; put "
            "it in a folder that all machines share"
        )
    before = run.environment()["mixed_precision"]
    if before != accelerator.mixed_precision:
        raise ValueError(
            f"mixed_precision of {run.path}: {before} then, {accelerator.mixed_precision} now"
        )
    if accelerator.is_main_process:
        write_config(run, settings, corpus)
    return start or _later_start(settings, corpus, run)


def _first_start(settings: Settings, corpus: Corpus, run: RunFolder) -> Start:
    vocabulary = make_vocabulary(settings, corpus)
    data = train_data(settings, corpus, vocabulary)
    check_teaching(settings, corpus, vocabulary, data)
    statistics, largest = measure(
        make_transform(settings, corpus),
        corpus,
        statistics_rows(settings, corpus, data),
        settings.loading.max_frames,
    )
    model = fresh_model(settings, corpus, vocabulary, statistics)
    notes = [f"warning: {f.message} {FAR_LEFT_OUT}" for f in far_values(corpus, largest)]
    notes += _take(settings, model, vocabulary)
    run.path.mkdir(parents=True, exist_ok=True)
    vocabulary.save(run.path / VOCABULARY_FILE)
    save_tensors(statistics, run.statistics)
    return Start(vocabulary, data, statistics, model, tuple(notes))


def _later_start(settings: Settings, corpus: Corpus, run: RunFolder) -> Start:
    vocabulary = Vocabulary.load(run.path / VOCABULARY_FILE)
    data = train_data(settings, corpus, vocabulary)
    statistics = load_tensors(run.statistics)
    model = fresh_model(settings, corpus, vocabulary, statistics)
    if not all_checkpoints(run.checkpoints):
        _take(settings, model, vocabulary)
    return Start(vocabulary, data, statistics, model)


def _take(settings: Settings, model: Recogniser, vocabulary: Vocabulary) -> list[str]:
    """Takes the first weights from elsewhere, where the settings say so; returns what to say."""
    notes = []
    if settings.training.init_from is not None:
        notes = take_weights(model, vocabulary, settings.training.init_from)
    if settings.distillation.layers_from_teacher:
        take_layers(model, vocabulary, settings.distillation.teacher[0])
    return notes


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
