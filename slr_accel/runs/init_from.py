"""Starts a model from another's weights, with the head rebuilt for this vocabulary."""

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
    own = model.state_dict()
    known_here = {name: w for name, w in trained.state_dict().items() if name in own}
    num_kept = _copy(own, known_here, vocabulary, known)
    return _told(model, trained, vocabulary, num_kept=num_kept, source=source)


def take_layers(model: Recogniser, vocabulary: Vocabulary, source: str) -> int:
    """Copies those layers of the model at `source` whose weights have the same shapes here.

    The features stay the student's own. In the head, rows of tokens that both know are copied.

    Returns:
        the number of values in the layers that were copied.

    Raises:
        ValueError: none fits.
    """
    trained, known = load_model(find_model(source))
    own = model.state_dict()
    theirs = trained.state_dict()
    # A layer is taken whole or not at all: a bias means nothing without its matrix.
    misfits = {_layer(name) for name in own if not _fits(name, own, theirs)}
    fitting = {n: w for n, w in theirs.items() if n in own and _layer(n) not in misfits}
    if not fitting:
        raise ValueError(
            f"layers_from_teacher: no layer of {source} has the name and shape of one here; give "
            "the student the widths of its teacher, or leave it out"
        )
    _copy(own, fitting, vocabulary, known)
    return sum(own[name].numel() for name in fitting)


def _copy(
    own: dict[str, torch.Tensor],
    theirs: dict[str, torch.Tensor],
    vocabulary: Vocabulary,
    known: Vocabulary,
) -> int:
    """Copies tensors by name; in the head, rows by token. Returns the number of tokens copied."""
    pairs = [(i, known.encode([t])[0]) for i, t in enumerate(vocabulary.tokens, 1) if t in known]
    to, of = torch.tensor([(BLANK, BLANK), *pairs]).T
    for name, tensor in theirs.items():
        if _is_head(name):
            own[name][to] = tensor[of]
        else:
            own[name].copy_(tensor)
    return len(pairs)


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


def _fits(name: str, own: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    """Whether both have a tensor of this name and shape; of heads, tokens may differ."""
    if name not in theirs or name.startswith("features."):
        return False
    first = int(_is_head(name))
    return own[name].shape[first:] == theirs[name].shape[first:]


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _is_head(name: str) -> bool:
    return name.split(".")[0].endswith("head")


def _is_of_training(setting: str) -> bool:
    """Whether the setting has no effect on what trained weights compute."""
    others = ("mask_share", "mask_frames", "gradient_checkpointing")
    return setting in others or setting.endswith(("dropout", "_weight"))
