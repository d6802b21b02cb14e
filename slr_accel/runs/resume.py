"""Brings a run to its last readable checkpoint, or starts it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate.utils import gather_object
from torch import Tensor

from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.checkpoint import (
    all_checkpoints,
    average_path,
    checkpoint_path,
    load_checkpoint,
    point_to,
)
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import TrainState
from slr_accel.runs.weight_average import start_average
from slr_accel.settings.run import Settings


class Resumed(NamedTuple):
    state: TrainState
    average: dict[str, Tensor] | None
    """The averaged weights, with ema_decay."""
    unread: dict[Path, str]
    """Later checkpoints that could not be read, with the reason."""


def resume(
    settings: Settings,
    run: RunFolder,
    model: Recogniser,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> Resumed:
    """Loads the last readable checkpoint; without any, the weights of init_from if that is set.

    Raises:
        ValueError: none of the checkpoints can be read.
        RunError: one has another format version.
    """
    found = all_checkpoints(run.checkpoints)
    if not found:
        model.to(device)
        average = start_average(model) if settings.training.ema_decay else None
        return Resumed(TrainState(), average, {})
    model.to(device)
    unread: dict[Path, str] = {}
    for folder in reversed(found):
        try:
            state, average = load_checkpoint(folder, model=model, optimizer=optimizer)
            break
        except ValueError as error:
            unread[folder] = str(error)
    else:
        raise ValueError(
            "\n".join(unread.values())
            + f"\nno checkpoint of {run.path} can be read; give another --output_dir to start anew"
        )
    if not checkpoint_path(run.checkpoints, state.best_step).is_dir():
        # It was removed when a later one, now damaged, became the best.
        state.best_wer, state.best_step = None, 0
    if average is not None:
        average = {name: tensor.to(device) for name, tensor in average.items()}
    return Resumed(state, average, unread)


def check_agreement(run: RunFolder, state: TrainState) -> None:
    """Raises ValueError where the processes have resumed from different steps."""
    steps = sorted(set(gather_object([state.step])))
    if len(steps) > 1:
        raise ValueError(
            f"the processes read different checkpoints of {run.path} (steps "
            f"{', '.join(map(str, steps))}); put it in a folder that all machines share"
        )


def set_aside(unread: dict[Path, str]) -> Iterator[str]:
    """Renames unreadable checkpoints, since new ones will take their names; yields warnings."""
    for folder, reason in unread.items():
        aside = folder.with_name(f"damaged_{folder.name}")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        yield f"warning: {reason}; renamed {folder} to {aside.name}"


def mend_best(run: RunFolder, state: TrainState) -> None:
    """Points `best` to the best checkpoint, unless it is the average made at this end of the run.

    The run may have been killed between a save and the link to it. Where the best checkpoint is
    gone, the last one takes its place until the next validation.
    """
    average = average_path(run.checkpoints, state.step)
    of_this_end = run.best.exists() and run.best.resolve() == average.resolve()
    if state.best_step and not of_this_end:
        point_to(run.best, checkpoint_path(run.checkpoints, state.best_step))
    elif run.best.is_symlink() and not run.best.exists() and state.step:
        point_to(run.best, checkpoint_path(run.checkpoints, state.step))
