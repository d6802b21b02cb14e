"""Mean and deviation over the train split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from run_helpers import tiny_sequences, write_tiny

from slr_accel.corpus.reader import open_corpus
from slr_accel.features.statistics import train_statistics
from slr_accel.features.transform import FeatureTransform
from slr_accel.settings.features import FeatureSettings


def test_a_constant_feature_has_deviation_one_and_becomes_zero(tmp_path: Path) -> None:
    sequences = tiny_sequences(4)
    for sequence in sequences:
        sequence.features[:, 2] = 3.0  # x of the right hand
        sequence.presence[:] = [False, True]
    corpus = open_corpus(write_tiny(tmp_path / "corpus", sequences))
    transform = FeatureTransform(corpus.layout, FeatureSettings(groups=("position",)), 25.0)
    found = train_statistics(transform, corpus, corpus.rows.of_split("train"), None)
    assert found["mean"][2] == 3
    assert found["deviation"][2] == 1
    assert 0.2 < found["deviation"][3] < 0.8
    transform.mean.copy_(found["mean"])
    transform.deviation.copy_(found["deviation"])
    values = torch.from_numpy(sequences[0].features)[None]
    presence = torch.from_numpy(sequences[0].presence)[None]
    made = transform(values, presence, torch.tensor([values.shape[1]]))
    assert not made[..., 2].any()
    assert made[..., 3].any()


def test_the_unit_of_noise_counts_present_frames_alone(tmp_path: Path) -> None:
    sequences = tiny_sequences(4)
    for sequence in sequences:
        sequence.presence[::2, 1] = False
        sequence.features[~sequence.presence[:, 1], 2:] = 0
    corpus = open_corpus(write_tiny(tmp_path / "corpus", sequences))
    transform = FeatureTransform(corpus.layout, FeatureSettings(groups=("position",)), 25.0)
    found = train_statistics(transform, corpus, corpus.rows.of_split("train"), None)
    present = [s.features[s.presence[:, 1], 2:] for s in sequences if s.split == "train"]
    expected = torch.from_numpy(np.concatenate(present)).double().std(dim=0, correction=0)
    torch.testing.assert_close(found["column_deviation"][2:].double(), expected, atol=1e-5, rtol=0)
