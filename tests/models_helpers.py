"""Models and random sequences of any layout."""

from __future__ import annotations

import numpy as np
import torch

from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.layout import COORDINATES, Block, Layout, generic_layout
from slr_accel.layouts.named_layouts import HAND_POINTS, POSE_POINTS, mediapipe_holistic
from slr_accel.loading.batch import Batch
from slr_accel.models.build import make_model
from slr_accel.models.recogniser import Output, Recogniser
from slr_accel.settings.features import FeatureSettings
from slr_accel.settings.models.by_name import MODELS

LAYOUTS = {
    "tracks": Layout(
        tuple(Block(name, ("centre",), ("x", "y")) for name in ("left_hand", "right_hand", "face")),
        origin=("face.centre",),
    ),
    "13 columns": generic_layout(13),
    "log-mel": generic_layout(80),
    "streams": generic_layout(101),
    "pose and hands": Layout(
        (
            Block("pose", POSE_POINTS[:11], ("x", "y", "z", "confidence")),
            Block("left_hand", HAND_POINTS, COORDINATES),
            Block("right_hand", HAND_POINTS, COORDINATES),
        ),
        origin=("pose.nose",),
    ),
    "holistic": mediapipe_holistic(),
}
"""Of 6, 13, 80, 101, 170 and 1,629 values a frame."""

SMALL: dict[str, dict[str, object]] = {
    "student": {"channels": 16, "lstm_hidden": 8},
    "student_reference": {"channels": 8},
    "teacher": {"block_channels": 8, "channels": 16, "lstm_hidden": 8},
    "cosign": {
        "graph_channels": 8,
        "pooled_nodes": 2,
        "block_channels": 8,
        "channels": 16,
        "lstm_hidden": 8,
    },
    "speech": {"conv_channels": 4, "lstm_hidden": 8},
}
"""Settings that make a small model of each kind."""

WAYS: dict[str, list[dict[str, object]]] = {
    "student": [
        {},
        {"output_stride": 1},
        {"output_stride": 2, "upsampling": "transposed"},
        {"reduction": 2, "output_stride": 2, "squeeze_excitation": True},
        {"reduction": 1, "output_stride": 1, "conv_blocks": 0, "lstm_layers": 1},
        {"auxiliary_weight": 0.5, "kernel_size": 9, "normalisation": "sequence"},
        {"auxiliary_weight": 0.5, "consistency_weight": 4, "mask_frames": 5},
    ],
    "student_reference": [{}],
    "teacher": [
        {},
        {"output_stride": 1, "attention_layers": 2, "inception_blocks": 1},
        {"output_stride": 2, "attention_clamp": 0, "auxiliary_weight": 0, "attention_span": 0},
        {"attention_layers": 0, "inception_blocks": 2, "normalisation": "sequence"},
        {"consistency_weight": 4, "mask_frames": 5},
    ],
    "cosign": [
        {},
        {"output_stride": 1, "graph_blocks": 1, "lstm_layers": 1, "auxiliary_weight": 0},
        {"output_stride": 2, "consistency_weight": 0, "max_nodes": 16},
        {"mask_share": 0.5, "mask_frames": 1, "kernel_size": 3},
    ],
    "speech": [{}, {"output_stride": 1, "kernel_size": 5}, {"output_stride": 4}],
}
"""Settings of each kind that change what is computed."""

EVERY_WAY = [(name, settings) for name, ways in WAYS.items() for settings in ways]


def random_batch(layout: Layout, lengths: list[int], seed: int = 0) -> Batch:
    """Padded random sequences with absent blocks; padding holds junk that must not matter."""
    random = np.random.default_rng(seed)
    size, longest = len(lengths), max(lengths)
    features = random.normal(0.5, 0.2, (size, longest, layout.columns)).astype(np.float32)
    presence = random.random((size, longest, len(layout.blocks))) < 0.8
    return Batch(
        rows=torch.arange(size),
        features=torch.from_numpy(features),
        presence=torch.from_numpy(presence),
        lengths=torch.tensor(lengths),
        targets=torch.ones(size, 1, dtype=torch.long),
        target_lengths=torch.ones(size, dtype=torch.long),
    )


def make(
    name: str,
    layout: Layout,
    num_outputs: int = 7,
    groups: tuple[str, ...] = (),
    rate: float | None = 25.0,
    **settings: object,
) -> Recogniser:
    """A small model of the kind `name`, in training mode; the same whenever it is asked for."""
    torch.manual_seed(0)
    chosen = FeatureSettings(groups=groups) if groups else FeatureSettings()
    transform = FeatureTransform(layout, chosen, rate)
    return make_model(name, transform, MODELS[name](**{**SMALL[name], **settings}), num_outputs)


def run(model: Recogniser, batch: Batch) -> Output:
    return model(batch.features, batch.presence, batch.lengths)
