"""Where a run goes on: its last checkpoint that can be read, or a start."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import torch
from accelerate.utils import gather_object
from torch import Tensor

from slr_accel.corpus.vocabulary import Vocabulary
from slr_accel.models.recogniser import Recogniser
from slr_accel.settings import Settings
from slr_accel.training.average import start_average
from slr_accel.training.checkpoint import (
    TrainState,
    all_checkpoints,
    average_path,
    checkpoint_path,
    load_checkpoint,
    point_to,
    step_of,
)
from slr_accel.training.init_from import take_weights
from slr_accel.training.run import RunFolder


def resume(
    settings: Settings,
    run: RunFolder,
    model: Recogniser,
    optimizer: torch.optim.Optimizer,
    vocabulary: Vocabulary,
    device: torch.device,
) -> tuple[TrainState, dict[str, Tensor] | None]:
    """State and averaged weights of the last valid checkpoint, or of a start.

    At a start the weights may come from another run (init_from).
    """
    found = all_checkpoints(run.checkpoints)
    if not found:
        if settings.training.init_from is not None:
            take_weights(model, vocabulary, settings.training.init_from)
        model.to(device)
        return TrainState(), start_average(model) if settings.training.ema_decay else None
    model.to(device)
    problems = []
    for folder in reversed(found):
        try:
            state, average = load_checkpoint(folder, model=model, optimizer=optimizer)
            break
        except ValueError as error:
            problems.append(str(error))
    else:
        raise ValueError(
            "\n".join(problems)
            + f"\nno checkpoint of {run.path} can be read; give another --output_dir to start anew"
        )
    if not checkpoint_path(run.checkpoints, state.best_step).is_dir():
        # It went when a later one was saved, which is damaged now: the next validation is the best.
        state.best_wer, state.best_step = None, 0
    if average is not None:
        average = {name: tensor.to(device) for name, tensor in average.items()}
    return state, average


def check_agreement(run: RunFolder, state: TrainState) -> None:
    """Raises ValueError where the processes are to go on from different steps."""
    steps = sorted(set(gather_object([state.step])))
    if len(steps) > 1:
        raise ValueError(
            f"the processes read different checkpoints of {run.path}, of the steps "
            f"{', '.join(map(str, steps))}: it has to be the same folder on all machines"
        )


def set_damaged_aside(run: RunFolder, state: TrainState) -> Iterator[str]:
    """Renames checkpoints after the one that was loaded, and says so: they could not be."""
    for folder in all_checkpoints(run.checkpoints):
        if step_of(folder) > state.step:
            aside = folder.with_name(f"damaged_{folder.name}")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            yield f"warning: {folder} cannot be read and is {aside.name} now"


def mend_best(run: RunFolder, state: TrainState) -> None:
    """Points `best` to the best checkpoint, unless it is the average of this very end.

    A kill may have come between a save and the link to it. Where the best one is gone, the last one
    takes its place until the next validation.
    """
    average = average_path(run.checkpoints, state.step)
    of_this_end = run.best.exists() and run.best.resolve() == average.resolve()
    if state.best_step and not of_this_end:
        point_to(run.best, checkpoint_path(run.checkpoints, state.best_step))
    elif run.best.is_symlink() and not run.best.exists() and state.step:
        point_to(run.best, checkpoint_path(run.checkpoints, state.step))
