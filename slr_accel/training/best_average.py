"""Averages the weights of the best checkpoints at the end of a run, and scores the average."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from slr_accel.models.find import WEIGHTS_FILE
from slr_accel.models.folder import load_tensors, save_model
from slr_accel.processes.preemption import StopRequest
from slr_accel.runs.checkpoint import average_path, checkpoint_path, point_to
from slr_accel.runs.retention import best_steps
from slr_accel.runs.weight_average import evaluated_weights
from slr_accel.training.trainer import Trainer


@torch.no_grad()
def mean_of_weights(folders: Sequence[Path]) -> dict[str, Tensor]:
    """Returns the mean of the evaluated weights; whole numbers are taken from the first folder."""
    mean = load_tensors(folders[0] / WEIGHTS_FILE)
    for folder in folders[1:]:
        weights = load_tensors(folder / WEIGHTS_FILE)
        for name, tensor in mean.items():
            if tensor.is_floating_point():
                tensor += weights[name]
    for tensor in mean.values():
        if tensor.is_floating_point():
            tensor /= len(folders)
    return mean


def try_average_of_best(trainer: Trainer, stop: StopRequest) -> float | None:
    """Scores the average of the best checkpoints; it becomes the best where it is no worse.

    All processes take part. It is no checkpoint: training goes on from the last one, after which
    the average is made anew.

    Returns:
        its WER, or None where a checkpoint stays the best, or none is asked for.

    Raises:
        Interrupted: by a signal; nothing has changed.
    """
    count = trainer.settings.training.average_best
    if count is None:
        return None
    trainer.writer.wait()
    trainer.accelerator.wait_for_everyone()
    state, checkpoints = trainer.state, trainer.run.checkpoints
    steps = best_steps(state.spoken, count)
    folders = [checkpoint_path(checkpoints, step) for step in steps]
    found = [(s, f) for s, f in zip(steps, folders, strict=True) if (f / WEIGHTS_FILE).is_file()]
    if len(found) < 2 or state.best_wer is None:
        trainer.report.say(f"average_best: {len(found)} scored checkpoint(s), nothing to average")
        return None
    mean = mean_of_weights([folder for _, folder in found])
    with evaluated_weights(trainer.weights.model, mean):
        figures = trainer.scores(stop).figures
    wer, single = figures["wer"], state.best_wer
    is_best = wer <= single
    averaged = sorted(step for step, _ in found)
    trainer.report.log(
        {
            "step": state.step,
            "epoch": state.epoch,
            "wer": min(wer, single),
            "wer_average_best": wer,
            "wer_best_checkpoint": single,
            "averaged_steps": averaged,
        }
    )
    trainer.report.say(
        f"average of steps {', '.join(map(str, averaged))}: WER {wer:.2%}, the best of them alone "
        f"{single:.2%}; {'the average' if is_best else f'step {state.best_step}'} is kept as best"
    )
    if is_best:
        trainer.report.best(wer, state.step)
    if trainer.accelerator.is_main_process:
        # A kill between two of these leaves a link to what is there.
        point_to(trainer.run.best, checkpoint_path(checkpoints, state.best_step))
        for old in checkpoints.glob("average_*"):
            shutil.rmtree(old)
        if is_best:
            _keep(trainer, mean)
    trainer.accelerator.wait_for_everyone()
    return wer if is_best else None


def _keep(trainer: Trainer, mean: dict[str, Tensor]) -> None:
    folder = average_path(trainer.run.checkpoints, trainer.state.step)
    new = folder.with_name(folder.name + ".tmp")
    try:
        new.mkdir()
        save_model(new, trainer.weights.model, trainer.vocabulary, mean)
        new.rename(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(new, ignore_errors=True)
        raise OSError(
            f"{folder}: could not be written ({error}); step {trainer.state.best_step} stays the "
            "best: free space and give the same command again"
        ) from None
    point_to(trainer.run.best, folder)
