"""Which class a model's name stands for."""

from __future__ import annotations

from typing import Any

from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.layout import Layout
from slr_accel.models.cosign import CoSign
from slr_accel.models.recogniser import Recogniser
from slr_accel.models.speech import Speech
from slr_accel.models.student import Student
from slr_accel.models.student_reference import StudentReference
from slr_accel.models.teacher import Teacher
from slr_accel.settings.features import FeatureSettings
from slr_accel.settings.models import MODELS

CLASSES: dict[str, type[Recogniser]] = {
    "student": Student,
    "student_reference": StudentReference,
    "teacher": Teacher,
    "cosign": CoSign,
    "speech": Speech,
}


def make_model(
    name: str,
    features: FeatureTransform,
    settings: Any,
    num_outputs: int,
    max_frames: int | None = None,
) -> Recogniser:
    """A model with fresh weights; `settings` are those that MODELS[name] names.

    `max_frames` is the length that longer sequences are subsampled to, None where none are.
    """
    model = CLASSES[name](features, settings, num_outputs)
    model.max_frames = max_frames
    return model


def model_name(model: Recogniser) -> str:
    return next(name for name, kind in MODELS.items() if isinstance(model.settings, kind))


def model_config(model: Recogniser) -> dict[str, Any]:
    """Everything but the weights that rebuilds the model, as config.json has it."""
    return {
        "model_type": model_name(model),
        "layout": model.features.layout.to_json(),
        "frames_per_second": model.features.frames_per_second,
        "knows_rate": model.features.knows_rate,
        "max_frames": model.max_frames,
        "features": model.features.settings.model_dump(mode="json"),
        "model": model.settings.model_dump(mode="json"),
        "num_outputs": model.num_outputs,
    }


def build_model(config: dict[str, Any]) -> Recogniser:
    """A model with fresh weights from its config. Raises ValueError where the config is wrong."""
    name = config.get("model_type")
    if name not in MODELS:
        raise ValueError(f"model_type {name!r}; known: {', '.join(MODELS)}")
    max_frames = config["max_frames"]
    if max_frames is not None and (type(max_frames) is not int or max_frames < 1):
        raise ValueError(f"max_frames {max_frames!r} is no number of frames")
    features = FeatureTransform(
        Layout.from_json(config["layout"]),
        FeatureSettings(**config["features"]),
        config["frames_per_second"] if config["knows_rate"] else None,
    )
    settings = MODELS[name](**config["model"])
    return make_model(name, features, settings, config["num_outputs"], max_frames)
