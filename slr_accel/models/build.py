"""Makes a model from its name and settings, or from its config.json."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.layout import Layout
from slr_accel.models.recogniser import Recogniser
from slr_accel.settings.features import FeatureSettings
from slr_accel.settings.models.base import ModelSettings
from slr_accel.settings.models.by_name import MODELS


def make_model(
    name: str,
    features: FeatureTransform,
    settings: ModelSettings,
    num_outputs: int,
    max_frames: int | None = None,
) -> Recogniser:
    """Makes a model with fresh weights.

    Args:
        name: one of MODELS. The class is the only Recogniser in the file of that name.
        settings: of the class MODELS[name].
        num_outputs: tokens of the vocabulary and the blank.
        max_frames: longer sequences are subsampled to this many frames; None: none are.
    """
    assert name in MODELS
    module = import_module(f"slr_accel.models.{name}")
    [kind] = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Recogniser)
        and value.__module__ == module.__name__
    ]
    model: Recogniser = kind(features, settings, num_outputs)
    model.max_frames = max_frames
    return model


def model_name(model: Recogniser) -> str:
    """Returns the model's name: that of the file its class is in."""
    return type(model).__module__.rpartition(".")[2]


def model_config(model: Recogniser) -> dict[str, Any]:
    """Returns what config.json holds: all that rebuilds the model but its weights."""
    return {
        "model_type": model_name(model),
        "layout": model.features.layout.to_json(),
        "frames_per_second": model.features.frames_per_second,
        "knows_rate": model.features.knows_rate,
        "max_frames": model.max_frames,
        "features": model.features.settings.model_dump(mode="json"),
        "model": model.settings.model_dump(mode="json"),
        "num_outputs": model.num_outputs,
        **({} if model.temperature == 1 else {"temperature": model.temperature}),
    }


def build_model(config: dict[str, Any]) -> Recogniser:
    """Makes a model with fresh weights from what config.json holds.

    Raises:
        KeyError, TypeError, ValueError: the config is wrong.
    """
    name = config.get("model_type")
    if name not in MODELS:
        raise ValueError(f"model_type {name!r}; known: {', '.join(MODELS)}")
    max_frames = config["max_frames"]
    if max_frames is not None and (type(max_frames) is not int or max_frames < 1):
        raise ValueError(f"max_frames {max_frames!r} is no number of frames")
    temperature = config.get("temperature", 1.0)
    if type(temperature) not in (int, float) or not 0 < temperature < math.inf:
        raise ValueError(f"temperature {temperature!r} is no number above 0")
    features = FeatureTransform(
        Layout.from_json(config["layout"]),
        FeatureSettings(**config["features"]),
        config["frames_per_second"] if config["knows_rate"] else None,
    )
    settings = MODELS[name](**config["model"])
    model = make_model(name, features, settings, config["num_outputs"], max_frames)
    model.temperature = float(temperature)
    return model
