"""How a run comes to stand: processes, vocabulary, model, statistics, optimizer, resume."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.vocabulary import BLANK, Vocabulary
from slr_accel.features.statistics import train_statistics
from slr_accel.features.transform import FeatureTransform
from slr_accel.loading.plan import accumulation_for
from slr_accel.models.folder import VOCABULARY_FILE, load_model
from slr_accel.models.student import Student
from slr_accel.settings import Settings
from slr_accel.training.average import start_average
from slr_accel.training.checkpoint import TrainState, latest_checkpoint, load_checkpoint
from slr_accel.training.data import make_vocabulary
from slr_accel.training.run import RunFolder, create_run
from slr_accel.training.step import parameter_groups


def make_accelerator(mixed_precision: str | None) -> Accelerator:
    """One of the processes that `accelerate launch` started, or the only one.

    Raises:
        ValueError: fp16 without a GPU.
    """
    has_gpu = torch.cuda.is_available()
    wanted = mixed_precision or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if wanted == "fp16" and not has_gpu:
        raise ValueError("mixed_precision fp16 needs a GPU; use bf16 or no on a CPU")
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") or os.environ.get("ACCELERATE_USE_FSDP"):
        raise ValueError("DeepSpeed and FSDP are not supported yet; launch with DDP (multi_gpu)")
    # Without cpu=True, accelerate lets each CPU process of several train alone and says nothing.
    return Accelerator(cpu=not has_gpu, mixed_precision=mixed_precision)


def micro_batches_per_step(settings: Settings, run: RunFolder, world_size: int) -> int:
    """Fixed by the first start of a run. ValueError where the processes cannot share them."""
    training = settings.training
    if run.exists:
        per_step = int(run.environment()["micro_batches_per_step"])
        if training.micro_batches_per_step not in (None, per_step):
            raise ValueError(
                f"micro_batches_per_step: {per_step} then, {training.micro_batches_per_step} now; "
                f"an optimizer step of {run.path} cannot change"
            )
    elif training.micro_batches_per_step is not None:
        per_step = training.micro_batches_per_step
    else:
        per_step = (training.accumulation_steps or 1) * world_size
    accumulation_for(per_step, world_size)
    return per_step


def start_run(
    accelerator: Accelerator, settings: Settings, corpus: Corpus, run: RunFolder, per_step: int
) -> Vocabulary:
    """Makes the run folder at the first start (one process does), and reads its vocabulary."""
    if not run.exists and accelerator.is_main_process:
        run.path.mkdir(parents=True, exist_ok=True)
        make_vocabulary(settings, corpus).save(run.path / VOCABULARY_FILE)
        transform = make_transform(settings, corpus)
        statistics = train_statistics(transform, corpus, corpus.rows.of_split("train"))
        save_file(statistics, run.statistics)
        create_run(run, settings, corpus, micro_batches_per_step=per_step)
    accelerator.wait_for_everyone()
    return Vocabulary.load(run.path / VOCABULARY_FILE)


def make_transform(settings: Settings, corpus: Corpus) -> FeatureTransform:
    return FeatureTransform(corpus.layout, settings.features, corpus.info.frames_per_second)


def make_model(
    settings: Settings, corpus: Corpus, vocabulary: Vocabulary, statistics: dict[str, Tensor]
) -> Student:
    """The model with fresh weights of the run's seed."""
    torch.manual_seed(settings.training.seed)
    model = Student(make_transform(settings, corpus), settings.model, vocabulary.num_outputs)
    model.features.mean.copy_(statistics["mean"])
    model.features.deviation.copy_(statistics["deviation"])
    return model


def take_weights(model: Student, vocabulary: Vocabulary, source: Path) -> None:
    """All weights but the head's, which follows the vocabulary: known tokens keep their rows."""
    folder = source / "best" if (source / "best").exists() else source
    trained, known = load_model(folder)
    own, theirs = model.state_dict(), trained.state_dict()
    differing = [
        name
        for name in own
        if not _is_head(name) and (name not in theirs or own[name].shape != theirs[name].shape)
    ]
    if differing:
        raise ValueError(
            f"init_from {source}: {len(differing)} tensors do not fit, the first is "
            f"{differing[0]}; the layout, the features and the model's settings must be its own "
            f"(see {folder / 'config.json'})"
        )
    pairs = [(i, known.encode([t])[0]) for i, t in enumerate(vocabulary.tokens, 1) if t in known]
    to, of = torch.tensor([(BLANK, BLANK), *pairs]).T
    for name, tensor in theirs.items():
        if name not in own:
            continue
        if _is_head(name):
            own[name][to] = tensor[of]
        else:
            own[name].copy_(tensor)


def _is_head(name: str) -> bool:
    return name.startswith(("head.", "auxiliary_head."))


def make_optimizer(settings: Settings, model: Student) -> torch.optim.Optimizer:
    groups = parameter_groups(model, settings.training.weight_decay)
    if settings.training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.training.learning_rate)
    return torch.optim.AdamW(groups, lr=settings.training.learning_rate, eps=1e-8)


def resume(
    settings: Settings,
    run: RunFolder,
    model: Student,
    optimizer: torch.optim.Optimizer,
    vocabulary: Vocabulary,
    device: torch.device,
) -> tuple[TrainState, dict[str, Tensor] | None]:
    """State and averaged weights of the last valid checkpoint, or of a start.

    At a start the weights may come from another run (init_from).
    """
    last = latest_checkpoint(run.checkpoints)
    if last is None:
        if settings.training.init_from is not None:
            take_weights(model, vocabulary, Path(settings.training.init_from))
        model.to(device)
        return TrainState(), start_average(model) if settings.training.ema_decay else None
    model.to(device)
    state, average = load_checkpoint(last, model=model, optimizer=optimizer)
    if average is not None:
        average = {name: tensor.to(device) for name, tensor in average.items()}
    return state, average


def load_statistics(run: RunFolder) -> dict[str, Tensor]:
    return load_file(run.statistics)
