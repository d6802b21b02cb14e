"""Mean and deviation over the train split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from run_helpers import tiny_sequences, write_tiny

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.features.statistics import Measured, _Moments, measure, train_statistics
from slr_accel.features.transform import FeatureTransform
from slr_accel.inspection.content_checks import far_values
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


def planted(folder: Path, value: float | None) -> Corpus:
    """24 recordings; one value of one frame is absurd."""
    sequences = tiny_sequences(24)
    if value is not None:
        sequences[1].features[3, 2] = value
        sequences[1].presence[3, 1] = True
    return open_corpus(write_tiny(folder, sequences))


def statistics_of(corpus: Corpus) -> Measured:
    transform = FeatureTransform(corpus.layout, FeatureSettings(), 25.0)
    return measure(transform, corpus, corpus.rows.of_split("train"), None)


@pytest.mark.parametrize("value", [1e4, -1e30, torch.inf])
def test_one_absurd_value_changes_the_statistics_by_no_more_than_its_frame(
    tmp_path: Path, value: float
) -> None:
    clean = statistics_of(planted(tmp_path / "clean", None)).statistics
    found = statistics_of(planted(tmp_path / "planted", value)).statistics
    for name, tensor in clean.items():
        torch.testing.assert_close(found[name], tensor, rtol=0.1, atol=0.05, msg=name)


def test_a_sequence_with_far_values_is_found_in_the_pass_for_the_statistics(tmp_path: Path) -> None:
    corpus = planted(tmp_path / "planted", 1e4)
    (finding,) = far_values(corpus, statistics_of(corpus).largest)
    assert "1 sequence with values up to 1e+04 in block right_hand" in finding.message
    assert "s001" in finding.message
    clean = planted(tmp_path / "clean", None)
    assert not list(far_values(clean, statistics_of(clean).largest))


def test_without_absurd_values_the_moments_are_the_ordinary_ones(tmp_path: Path) -> None:
    """Also of columns that are almost always 0, and of values with long tails."""
    random = np.random.default_rng(0)
    columns = {
        "rare": random.random((200, 12)) < 0.004,
        "laplace": random.laplace(size=(200, 12)),
        "bursts": np.where(random.random((200, 12)) < 0.05, random.normal(0, 50, (200, 12)), 0.01),
        "constant": np.full((200, 12), 3.0),
    }
    values = torch.from_numpy(np.stack(list(columns.values()), axis=-1)).float()
    moments = _Moments(12)
    valid = torch.ones_like(values, dtype=torch.bool)
    moments.add(values, valid, torch.full((200,), 12))
    assert not moments.leaves_out()
    mean, deviation = moments.result()
    flat = values.flatten(0, 1).double()
    torch.testing.assert_close(mean.double(), flat.mean(0), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(deviation.double(), flat.std(0, correction=0), rtol=1e-6, atol=1e-7)
