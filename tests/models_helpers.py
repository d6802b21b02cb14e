"""Models and random sequences of any layout."""

from __future__ import annotations

import numpy as np
import torch

from slr_accel.corpus.layout import Block, Layout, generic_layout, mediapipe_holistic
from slr_accel.features.settings import FeatureSettings
from slr_accel.features.transform import FeatureTransform
from slr_accel.loading.loader import Batch
from slr_accel.models.settings import StudentSettings
from slr_accel.models.student import Student

LAYOUTS = {
    "tracks": Layout(
        tuple(Block(name, ("centre",), ("x", "y")) for name in ("left_hand", "right_hand", "face")),
        origin=("face.centre",),
    ),
    "13 columns": generic_layout(13),
    "holistic": mediapipe_holistic(),
}


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


def make_student(layout: Layout, num_outputs: int = 7, **settings: object) -> Student:
    torch.manual_seed(0)
    small = {"channels": 16, "lstm_hidden": 8, **settings}
    transform = FeatureTransform(layout, FeatureSettings(), 25.0)
    return Student(transform, StudentSettings(**small), num_outputs)
