"""A model reads coordinates in the unit it was trained in, and no others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_helpers import TINY_LAYOUT

from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.features.transform import FeatureTransform
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.units import FRACTION, HEIGHT
from slr_accel.models.build import make_model
from slr_accel.models.pretrained import save_pretrained
from slr_accel.runs.opened import open_run
from slr_accel.runs.trained import load
from slr_accel.settings.features import FeatureSettings
from slr_accel.settings.models.student import StudentSettings


def model_in(units: str, folder: Path) -> Path:
    features = FeatureTransform(replace(TINY_LAYOUT, units=units), FeatureSettings(), 25.0)
    model = make_model("student", features, StudentSettings(channels=8, lstm_hidden=4), 3)
    save_pretrained(folder, model, Vocabulary(("A", "B"), "raw"))
    return folder


def corpus_in(units: str, folder: Path) -> Path:
    one = Sequence("s", "dev", "anna", np.ones((4, 4), np.float32), np.ones((4, 2), bool), ["A"])
    layout = replace(TINY_LAYOUT, units=units)
    write_corpus(folder, [one], layout=layout, dtype="float32", frames_per_second=25.0, source={})
    return folder


def test_another_unit_is_refused_with_both_names(tmp_path):
    model, corpus = model_in(FRACTION, tmp_path / "model"), corpus_in(HEIGHT, tmp_path / "corpus")
    with pytest.raises(ValueError) as error, open_run(str(model), data_dir=str(corpus)):
        pass
    assert f"the model reads coordinates in ({FRACTION})" in str(error.value)
    assert f"has them in ({HEIGHT})" in str(error.value)


def test_a_unit_that_is_not_known_is_read(tmp_path):
    model = model_in(HEIGHT, tmp_path / "model")
    with open_run(str(model), data_dir=str(corpus_in("unknown", tmp_path / "corpus"))) as opened:
        assert opened.corpus.layout.units == "unknown"


def test_pixels_are_no_fractions(tmp_path):
    recogniser = load(model_in(FRACTION, tmp_path / "model"), device="cpu")
    share = np.random.default_rng(0).random((8, 4))
    assert recogniser.transcribe(share).log_probs.shape[1] == 3
    with pytest.raises(ValueError, match="coordinates are pixels"):
        recogniser.transcribe(640 * share)
