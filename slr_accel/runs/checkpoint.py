"""Writes and reads the checkpoints of a run.

    step_00001200/
      config.json, vocabulary.json   rebuild the model
      model.safetensors              the weights that are evaluated
      training.safetensors           the weights that are trained, where an average is evaluated
      optimizer.safetensors          optimizer tensors, keyed by parameter name
      meta.json                      the training state; written last, so it marks a valid one

Everything is written to step_00001200.tmp, which is then renamed. Nothing is unpickled on load.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from slr_accel.errors import RunError
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.find import WEIGHTS_FILE
from slr_accel.models.folder import load_tensors, load_weights, save_model, save_tensors
from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.run_folder import META_FILE
from slr_accel.runs.train_state import TrainState

OPTIMIZER_FILE = "optimizer.safetensors"
TRAINING_WEIGHTS_FILE = "training.safetensors"
FORMAT_VERSION = 1
NO_FOLDER_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
"""Errors of file systems (SMB, FUSE) that flush files but no folders."""


def checkpoint_path(checkpoints: Path, step: int) -> Path:
    return checkpoints / f"step_{step:08d}"


def average_path(checkpoints: Path, step: int) -> Path:
    """The model averaged at the end of a run that ended at `step`; it is not a checkpoint."""
    return checkpoints / f"average_{step:08d}"


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step_"))


@dataclass(frozen=True)
class Snapshot:
    """The content of a checkpoint."""

    model: Recogniser
    """Only its config is written; its weights may be those of a later step."""
    weights: dict[str, Tensor]
    vocabulary: Vocabulary
    optimizer: dict[str, Tensor]
    """As `optimizer_tensors` returns it."""
    average: dict[str, Tensor] | None
    state: TrainState

    def on_host(self) -> Snapshot:
        """A copy in the memory of the host, which further training does not change."""
        return replace(
            self,
            weights=_copied(self.weights),
            optimizer=_copied(self.optimizer),
            average=None if self.average is None else _copied(self.average),
            state=deepcopy(self.state),
        )


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


def write_checkpoint(checkpoints: Path, snapshot: Snapshot) -> Path:
    """Writes the checkpoint of the snapshot's step.

    Raises:
        OSError: the disk is full, say; earlier checkpoints stay as they are.
    """
    state, weights = snapshot.state, snapshot.weights
    final = checkpoint_path(checkpoints, state.step)
    folder = final.with_name(final.name + ".tmp")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        save_model(folder, snapshot.model, snapshot.vocabulary, snapshot.average or weights)
        if snapshot.average is not None:
            save_tensors(weights, folder / TRAINING_WEIGHTS_FILE)
        save_tensors(snapshot.optimizer, folder / OPTIMIZER_FILE)
        meta = {"format_version": FORMAT_VERSION, "torch": torch.__version__, **asdict(state)}
        (folder / META_FILE).write_text(json.dumps(meta, indent=1) + "\n")
        for path in folder.iterdir():
            _flush_to_disk(path)
        if final.exists():
            delete_checkpoint(final)
        folder.rename(final)
        _flush_to_disk(checkpoints)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        last = latest_checkpoint(checkpoints)
        raise OSError(
            f"{final}: could not be written ({error}). "
            + (f"{last.name} is still valid: " if last else "There is no earlier checkpoint: ")
            + "free space and give the same command again"
        ) from None
    return final


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in NO_FOLDER_FLUSH):
            raise
    finally:
        os.close(descriptor)


def optimizer_tensors(model: Recogniser, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """{"<parameter name>/<state name>": tensor}, e.g. "head.weight/exp_avg"."""
    return {
        f"{name}/{key}": value
        for name, state in optimizer_by_name(model, optimizer).items()
        for key, value in state.items()
    }


def optimizer_by_name(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, dict[str, Tensor]]:
    """{parameter name: {state name: tensor}}; empty before the first step."""
    return {
        name: {key: torch.as_tensor(value) for key, value in optimizer.state[parameter].items()}
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
    }


def load_checkpoint(
    folder: Path, *, model: Recogniser, optimizer: torch.optim.Optimizer
) -> tuple[TrainState, dict[str, Tensor] | None]:
    """Loads weights and optimizer in place; returns the state and the average, if there is one.

    Raises:
        ValueError: a file is missing or damaged, or does not fit this model; names the file.
        OSError: a file cannot be read.
        RunError: the checkpoint has another format version.
    """
    state = read_state(folder)
    training = folder / TRAINING_WEIGHTS_FILE
    average = load_tensors(folder / WEIGHTS_FILE) if training.is_file() else None
    load_weights(model, folder / WEIGHTS_FILE if average is None else training)
    _load_optimizer(folder / OPTIMIZER_FILE, model, optimizer)
    return state, average


def _load_optimizer(path: Path, model: Recogniser, optimizer: torch.optim.Optimizer) -> None:
    parameters = dict(model.named_parameters())
    for key, tensor in load_tensors(path).items():
        name, _, state_name = key.rpartition("/")
        parameter = parameters.get(name)
        if parameter is None or (tensor.ndim and tensor.shape != parameter.shape):
            raise ValueError(
                f"{path}: {key!r} has the shape {list(tensor.shape)}, which fits no parameter of "
                "this model"
            )
        # The fused kernels keep their step count on the device of the parameter.
        optimizer.state[parameter][state_name] = tensor.to(parameter.device)


def read_state(folder: Path) -> TrainState:
    """Reads meta.json; raises as load_checkpoint."""
    path = folder / META_FILE
    try:
        meta: dict[str, Any] = json.loads(path.read_text())
        version = meta.pop("format_version")
        meta.pop("torch")
        if version != FORMAT_VERSION:
            raise RunError(
                f"{path}: has format version {version}, this slr_accel reads {FORMAT_VERSION}; "
                "continue the run with the version that wrote it"
            )
        state = TrainState(**meta)
        state.validations = [(step, wer) for step, wer in state.validations]
        return state
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a checkpoint's state ({error})") from None


def all_checkpoints(checkpoints: Path) -> list[Path]:
    """The valid checkpoints, oldest first."""
    return sorted(p for p in checkpoints.glob("step_????????") if (p / META_FILE).is_file())


def latest_checkpoint(checkpoints: Path) -> Path | None:
    return next(reversed(all_checkpoints(checkpoints)), None)


def delete_checkpoint(folder: Path) -> None:
    # The mark of a valid checkpoint goes first, in case the rest is interrupted.
    (folder / META_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def point_to(link: Path, target: Path) -> None:
    """Makes `link` point to `target` in one step, so that it always points somewhere."""
    new = link.with_name(link.name + ".tmp")
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(target, link.parent))
    if link.is_dir() and not link.is_symlink():  # the run was copied without its links
        shutil.rmtree(link)
    new.replace(link)
