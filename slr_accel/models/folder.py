"""Saves and loads a model: config.json, model.safetensors and vocabulary.json."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.build import build_model, model_config
from slr_accel.models.find import CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE
from slr_accel.models.recogniser import Recogniser


def save_model(
    folder: Path, model: Recogniser, vocabulary: Vocabulary, weights: dict[str, torch.Tensor]
) -> None:
    """Writes the three files. `weights` is the state of the model, or an average of it."""
    config = json.dumps(model_config(model), indent=1, ensure_ascii=False)
    (folder / CONFIG_FILE).write_text(config + "\n", encoding="utf-8")
    vocabulary.save(folder / VOCABULARY_FILE)
    save_tensors(weights, folder / WEIGHTS_FILE)


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Writes tensors of any device to safetensors. OSError where there is no room."""
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path)
    except SafetensorError as error:
        raise OSError(f"{path}: {error}") from None
    with suppress(PermissionError):  # a file system without modes, as of Windows' shares
        path.chmod(0o644)  # safetensors leaves the file to its owner alone


def load_model(folder: Path) -> tuple[Recogniser, Vocabulary]:
    """Loads a model and its vocabulary. Raises ValueError naming a missing or wrong file."""
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        model = build_model(config)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a model's config ({error})") from None
    vocabulary = Vocabulary.load(folder / VOCABULARY_FILE)
    if vocabulary.num_outputs != model.num_outputs:
        raise ValueError(
            f"{folder}: {VOCABULARY_FILE} has {vocabulary.num_outputs} outputs, the model "
            f"{model.num_outputs}"
        )
    load_weights(model, folder / WEIGHTS_FILE)
    return model, vocabulary


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Loads a safetensors file.

    Raises:
        ValueError: it is missing or damaged; names the file.
        OSError: it cannot be read, though it may be whole.
    """
    try:
        with path.open("rb"):  # safetensors calls every file missing that it cannot open
            return load_file(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: missing") from None
    except SafetensorError as error:
        raise ValueError(f"{path}: not readable ({error})") from None


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Loads exactly the tensors of the model; raises as load_tensors, and for another model."""
    try:
        model.load_state_dict(load_tensors(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: not this model's weights ({error})") from None
