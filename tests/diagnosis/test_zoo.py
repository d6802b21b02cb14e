"""The zoo: runs with a planted fault, trained and diagnosed by the commands, and healthy twins.

Each fault is named among the first findings after a stated number of optimizer steps. Its twin is
trained as long, resembles it, and raises no error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_helpers import SMALL, tiny_sequences, write_tiny

from slr_accel.cli import main
from slr_accel.corpus.sequence import Sequence
from slr_accel.errors import RunError
from slr_accel.models.norms import FrameNorm, MaskedGroupNorm
from slr_accel.models.recogniser import Recogniser
from slr_accel.train import main as train
from slr_accel.training import start

pytestmark = pytest.mark.slow

Sequences = list[Sequence]
QUIET: dict[str, Any] = {"epochs": 100, "batch_size": 8, "log_steps": 2, "eval_steps": 10}


@dataclass(frozen=True)
class Case:
    """A way to train, and whether it is a fault."""

    steps: int = 60
    corpus: Callable[[Sequences], Sequences] = lambda sequences: sequences
    model: Callable[[Recogniser], object] = lambda model: None
    settings: dict[str, Any] = field(default_factory=dict)
    after: Callable[[Path], object] = lambda run: None
    time_is_pooled: bool = False


def of_split(
    split: str, change: Callable[[Sequence], Sequence]
) -> Callable[[Sequences], Sequences]:
    return lambda sequences: [change(s) if s.split == split else s for s in sequences]


def features(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Sequence], Sequence]:
    return lambda sequence: replace(sequence, features=change(sequence.features).astype(np.float32))


def moved(sequences: Sequences, labels: Callable[[list], list]) -> Sequences:
    """Train sequences with the labels of others."""
    ours = [s for s in sequences if s.split == "train"]
    new = labels([s.labels for s in ours])
    rest = [s for s in sequences if s.split != "train"]
    return [replace(s, labels=words) for s, words in zip(ours, new, strict=True)] + rest


def shuffled(labels: list) -> list:
    return [labels[i] for i in np.random.default_rng(1).permutation(len(labels))]


def leaked(sequences: Sequences) -> Sequences:
    return [*sequences, *(replace(s, id=f"{s.id}_copy", split="train") for s in sequences[::8])]


def same_words(sequences: Sequences) -> Sequences:
    """Train has the sentences of dev, signed once more."""
    again = tiny_sequences(len(sequences), seed=1)
    dev = [(s, other) for s, other in zip(sequences, again, strict=True) if s.split == "dev"]
    return [*sequences, *(replace(o, id=f"{o.id}_again", split="train") for _, o in dev)]


def with_nan(features: np.ndarray) -> np.ndarray:
    features = features.copy()
    features[::10, 2] = np.nan
    return features


def absent(sequence: Sequence) -> Sequence:
    presence, features = sequence.presence.copy(), sequence.features.copy()
    presence[::10, 1], features[::10, 2:] = False, 0
    return replace(sequence, presence=presence, features=features)


def short(sequence: Sequence) -> Sequence:
    """Every fourth frame is kept: a label has two or three."""
    return replace(sequence, features=sequence.features[::4], presence=sequence.presence[::4])


def head(weight: float, bias: float) -> Callable[[Recogniser], object]:
    def change(model: Any) -> None:
        for name, parameter in model.named_parameters():
            if name.split(".")[0].endswith("head"):
                if name.endswith("weight") and weight:
                    torch.nn.init.normal_(parameter, 0, weight)
                elif name.endswith("bias"):
                    parameter.zero_()
                    parameter[0] = bias

    return change


def gain(factor: float) -> Callable[[Recogniser], object]:
    def change(model: Recogniser) -> None:
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "head" not in name:
                parameter.mul_(factor)

    return change


def pooled(norm: Any) -> Any:
    return lambda *args: norm(*args).mean(1, keepdim=True).expand_as(args[1])


def reverse_tokens(run: Path) -> None:
    path = run / "best" / "vocabulary.json"
    vocabulary = json.loads(path.read_text())
    vocabulary["tokens"] = vocabulary["tokens"][::-1]
    path.write_text(json.dumps(vocabulary))


SLOW = {"learning_rate": 1e-6}
TEACHER = {"model": "teacher", "block_channels": 16, "inception_blocks": 2}
FAULTS: dict[str, tuple[str, Case, Case]] = {
    "uniform output": (
        "uniform_output",
        Case(model=head(0.01, 0), settings=SLOW),
        Case(model=head(0.01, 0)),
    ),
    "blank bias": (
        "blank_collapse",
        Case(100, model=head(0, 10), settings={"learning_rate": 1e-5}),
        Case(100, model=head(0, 10)),
    ),
    "time is pooled": ("time_lost", Case(time_is_pooled=True), Case(settings={"kernel_size": 15})),
    "blocks swapped": (
        "blocks_swapped",
        Case(corpus=of_split("dev", features(lambda f: f[:, [2, 3, 0, 1]]))),
        Case(corpus=of_split("dev", features(lambda f: f + 0.1))),
    ),
    "train alone is normalised": (
        "features_differ",
        Case(corpus=of_split("train", features(lambda f: (f - 5) / 30))),
        Case(corpus=of_split("train", features(lambda f: 1.1 * f))),
    ),
    "labels shifted": (
        "labels_shifted",
        Case(corpus=lambda s: moved(s, lambda labels: labels[-1:] + labels[:-1])),
        Case(corpus=lambda s: moved(s, lambda labels: labels)),
    ),
    "labels shuffled": (
        "labels_shuffled",
        Case(corpus=lambda s: moved(s, shuffled)),
        Case(corpus=lambda s: s[::-1]),
    ),
    "token map": ("token_order", Case(200, after=reverse_tokens), Case(200)),
    "NaN frames": (
        "non_finite",
        Case(corpus=of_split("train", features(with_nan))),
        Case(corpus=lambda sequences: list(map(absent, sequences))),
    ),
    "learning rate": (
        "large_updates",
        Case(settings={"learning_rate": 1.0}),
        Case(settings={"learning_rate": 0.02}),
    ),
    "gain": (
        "vanishing_gradient",
        Case(model=gain(0.01), settings={"learning_rate": 1e-5, "lstm_layers": 2}),
        Case(model=gain(0.5), settings={"lstm_layers": 2}),
    ),
    "too short": (
        "too_short",
        Case(corpus=lambda s: list(map(short, s)), settings={"output_stride": 4}),
        Case(corpus=lambda s: [short(s[1]), *s[2:], s[0]], settings={"output_stride": 4}),
    ),
    "blank penalty in training alone": (
        "large_blank_margin",
        Case(settings={"blank_margin": 8}),
        Case(settings={"blank_margin": 1}),
    ),
    "test sentences in train": ("split_overlap", Case(corpus=leaked), Case(corpus=same_words)),
    "equal features": (
        "constant_features",
        Case(corpus=lambda s: list(map(features(np.ones_like), s))),
        Case(corpus=lambda s: list(map(features(lambda f: f * [0, 0, 1, 1]), s))),
    ),
    "forty steps": (
        "few_steps",
        Case(40, settings={"micro_batches_per_step": 4, "learning_rate": 1e-3}),
        Case(320),
    ),
    "dropout": (
        "high_dropout",
        Case(settings={"dropout": 0.9}),
        Case(settings={"dropout": 0.5}),
    ),
    "clamp": (
        "saturated_clamp",
        Case(settings={**TEACHER, "attention_clamp": 1e-5}),
        Case(settings=TEACHER),
    ),
}


def both_hands(sequence: Sequence) -> Sequence:
    """The left hand is seen too, at a place of its own."""
    features = sequence.features.copy()
    features[:, :2] = np.random.default_rng(0).normal(4, 0.3, features[:, :2].shape)
    return replace(sequence, features=features, presence=sequence.presence | [True, False])


def diagnosed(
    case: Case,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> list[dict[str, Any]]:
    """Trains as the case says; returns the findings of `slr-accel diagnose`, worst first."""
    sequences = case.corpus([both_hands(s) for s in tiny_sequences(80)])
    corpus = write_tiny(folder / "corpus", sequences)
    fresh = start.fresh_model

    def changed(*args: Any) -> Recogniser:
        model = fresh(*args)
        with torch.no_grad():
            case.model(model)
        return model

    monkeypatch.setattr(start, "fresh_model", changed)
    if case.time_is_pooled:
        for norm in (FrameNorm, MaskedGroupNorm):
            monkeypatch.setattr(norm, "forward", pooled(norm.forward))
    run = folder / "run"
    chosen = {"recipe": "none", "data_dir": corpus, "output_dir": run, **SMALL, **QUIET}
    chosen |= {"max_steps": case.steps, **case.settings}
    with suppress(RunError):  # of steps that were not finite
        train([f"--{name}={value}" for name, value in chosen.items()])
    case.after(run)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["diagnose", str(run), "--output_dir", str(folder / "out"), "--json"])
    return list(json.loads(capsys.readouterr().out)["findings"])


def named(findings: list[dict[str, Any]], *severities: str) -> list[str]:
    """Codes of the findings; that a run is short says nothing here but where it is planted."""
    return [f["code"] for f in findings if f["severity"] in severities]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, fault, _ = FAULTS[name]
    found = named(diagnosed(fault, tmp_path, capsys, monkeypatch), "error", "warning")
    assert code in [other for other in found if other != "few_steps" or code == other][:2]


@pytest.mark.parametrize("name", FAULTS)
def test_its_healthy_twin_raises_no_error(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, twin = FAULTS[name]
    findings = diagnosed(twin, tmp_path, capsys, monkeypatch)
    assert set(named(findings, "error")) <= {"few_steps"} - {code}, findings
    assert code == "few_steps" or code not in named(findings, "warning")
