"""Starts a model from another run's weights, with the head rebuilt for this vocabulary."""

from __future__ import annotations

import torch

from slr_accel.labels.vocabulary import BLANK, Vocabulary
from slr_accel.models.build import model_config
from slr_accel.models.find import find_model
from slr_accel.models.folder import load_model
from slr_accel.models.recogniser import Recogniser


def take_weights(model: Recogniser, vocabulary: Vocabulary, source: str) -> list[str]:
    """Copies the weights of the model at `source`; in the head, those of the tokens both know.

    Returns:
        what a user should know of it: the tokens kept, and frame rates that differ.

    Raises:
        ValueError: the two models differ in more than their vocabulary.
    """
    folder = find_model(source)
    trained, known = load_model(folder)
    ours, theirs_config = model_config(model), model_config(trained)
    differing = [
        key for key in ("model_type", "layout", "features") if ours[key] != theirs_config[key]
    ]
    if not differing:
        differing = [
            f"{name} ({theirs_config['model'][name]!r} there, {value!r} here)"
            for name, value in ours["model"].items()
            if not _is_of_training(name) and value != theirs_config["model"][name]
        ]
    if differing:
        raise ValueError(
            f"init_from {source}: does not fit in {', '.join(differing)}; use the layout, the "
            f"features and the model settings of {folder / 'config.json'}"
        )
    own, theirs = model.state_dict(), trained.state_dict()
    pairs = [(i, known.encode([t])[0]) for i, t in enumerate(vocabulary.tokens, 1) if t in known]
    to, of = torch.tensor([(BLANK, BLANK), *pairs]).T
    for name, tensor in theirs.items():
        if name in own and name.split(".")[0].endswith("head"):
            own[name][to] = tensor[of]
        elif name in own:
            own[name].copy_(tensor)

    return _told(model, trained, vocabulary, num_kept=len(pairs), source=source)


def _told(
    model: Recogniser, trained: Recogniser, vocabulary: Vocabulary, *, num_kept: int, source: str
) -> list[str]:
    told = [
        f"init_from {source}: {num_kept} of the {len(vocabulary.tokens)} tokens keep their weights "
        "in the output layer"
    ]
    ours, theirs = model.features, trained.features
    if ours.knows_rate and theirs.knows_rate and ours.frames_per_second != theirs.frames_per_second:
        told.append(
            f"warning: init_from {source}: was trained at {theirs.frames_per_second:g} frames per "
            f"second, this corpus has {ours.frames_per_second:g}: motion is measured per second, "
            "but convolutions count frames"
        )
    return told


def _is_of_training(setting: str) -> bool:
    """Whether the setting has no effect on what trained weights compute."""
    others = ("mask_share", "mask_frames", "gradient_checkpointing")
    return setting in others or setting.endswith(("dropout", "_weight"))
