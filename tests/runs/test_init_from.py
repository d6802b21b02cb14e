"""Weights are taken only where they mean the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models_helpers import LAYOUTS, make

from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.folder import load_model, save_model
from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.init_from import take_layers, take_weights

WORDS = Vocabulary(("A", "B", "C", "D", "E", "F"), "raw")


def student(**changes: object) -> Recogniser:
    return make("student", LAYOUTS["tracks"], **changes)


@pytest.fixture
def source(tmp_path: Path) -> str:
    model = student()
    save_model(tmp_path, model, WORDS, model.state_dict())
    return str(tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("normalisation", "sequence"), ("reduction", 2), ("conv_blocks", 3), ("lstm_layers", 1)],
)
def test_another_computation_is_refused_with_the_setting(
    source: str, setting: str, value: object
) -> None:
    stride = {"output_stride": 2} if setting == "reduction" else {}
    with pytest.raises(
        ValueError, match=rf"does not fit in .*{setting} \(.* there, {value!r} here"
    ):
        take_weights(student(**{setting: value}, **stride), WORDS, source)


def test_another_way_of_training_takes_all_weights(source: str) -> None:
    model = student(dropout=0.5, input_dropout=0.1, auxiliary_weight=0.5, consistency_weight=2)
    early_head = model.state_dict()["auxiliary_head.weight"].clone()
    take_weights(model, WORDS, source)
    taken, trained = model.state_dict(), load_model(Path(source))[0].state_dict()
    assert all(torch.equal(taken[name], tensor) for name, tensor in trained.items())
    assert torch.equal(taken["auxiliary_head.weight"], early_head)


def test_the_tokens_that_keep_their_weights_are_counted_and_another_rate_is_told(
    source: str,
) -> None:
    model = student(num_outputs=4)
    told = take_weights(model, Vocabulary(("A", "B", "X"), "raw"), source)
    assert told[0].endswith("2 of the 3 tokens keep their weights in the output layer")
    assert len(told) == 1
    model.features.frames_per_second = 50.0
    assert "was trained at 25 frames per second, this corpus has 50" in "".join(
        take_weights(model, Vocabulary(("A", "B", "X"), "raw"), source)
    )


def test_layers_that_fit_are_taken_from_another_kind_of_model(tmp_path: Path) -> None:
    other = make("teacher", LAYOUTS["tracks"], num_outputs=4, auxiliary_weight=0.5)
    save_model(tmp_path, other, Vocabulary(("B", "D", "X"), "raw"), other.state_dict())
    model = student(auxiliary_weight=0.5)
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    count = take_layers(model, WORDS, str(tmp_path))
    after, theirs = model.state_dict(), other.state_dict()
    recurrent = [name for name in after if name.startswith("lstm.")]
    assert recurrent and all(torch.equal(after[name], theirs[name]) for name in recurrent)
    assert torch.equal(after["head.weight"][[2, 4]], theirs["head.weight"][[1, 2]])
    assert torch.equal(after["head.weight"][[1, 3]], before["head.weight"][[1, 3]])
    own = [name for name in after if name.startswith(("features.", "blocks."))]
    assert all(torch.equal(after[name], before[name]) for name in own)
    assert 0 < count < sum(weights.numel() for weights in after.values())
    wider = student(channels=24, lstm_hidden=12)
    with pytest.raises(ValueError, match="no layer of"):
        take_layers(wider, WORDS, str(tmp_path))
