"""`slr-accel overfit` passes what can learn, and says with evidence why the rest cannot."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from run_helpers import lines, tiny_sequences, wait_for, write_tiny
from torch import nn

from slr_accel.cli import main
from slr_accel.commands import overfit as command
from slr_accel.models import student
from slr_accel.models.recogniser import make_head
from slr_accel.settings.models.by_name import MODELS
from slr_accel.training import setup
from slr_accel.training.step import parameter_groups

SMALL = ("--channels=16", "--lstm_hidden=16", "--lstm_layers=1", "--learning_rate=0.01")
FEW = ("--epochs=60", "--eval_steps=10", "--log_steps=10", "--zero_wer_patience=2")
Overfit = Callable[..., tuple[int, str]]


@pytest.fixture
def overfit(
    tiny_corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Overfit:
    """Runs the command on the tiny corpus; returns its exit code and what it printed."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")

    def run(*words: object, corpus: Path = tiny_corpus) -> tuple[int, str]:
        usual = ["--data_dir", corpus, "--output_dir", tmp_path, "--samples", 4]
        with pytest.raises(SystemExit) as end:
            main(["overfit", *map(str, [*usual, *words])])
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, captured.out if "--json" in words else captured.out + captured.err

    return run


def result(folder: Path, model: str = "student") -> dict[str, Any]:
    return json.loads((folder / f"overfit_{model}_results.json").read_text())


def failed(folder: Path) -> set[str]:
    return {check["name"] for check in result(folder)["checks"] if not check["ok"]}


def test_a_model_that_learns_passes_and_a_second_test_starts_anew(
    overfit: Overfit, tmp_path: Path
) -> None:
    code, text = overfit("--model=student", *SMALL, *FEW)
    assert code == 0, text
    assert "OVERFITTED 2/2" in text and "4 train sequences, which are scored too" in text
    report = (tmp_path / "overfit_student_report.txt").read_text()
    assert report in text and "PASSED" in report and "checklist" not in report
    assert (tmp_path / "overfit_student_results.png").stat().st_size > 10_000
    found = result(tmp_path)
    assert found["verdict"] == "both" and found["sequences"] == ["s001", "s009", "s015", "s023"]
    config = yaml.safe_load((tmp_path / "student_relaxed" / "config.yaml").read_text())
    assert config["time_stretch"] == 1 and not config["rotation"] and not config["jitter"]
    assert config["dropout"] == 0.1 and not config["weight_decay"]
    assert config["max_grad_norm"] == 50 and config["schedule"] == "constant"

    code, text = overfit("--model=student", "--relaxed", *SMALL, *FEW, "--json")
    assert code == 0
    assert json.loads(text)["verdict"] == "relaxed"
    assert not json.loads(text)["trials"]["relaxed"]["non_finite_seen"]
    _, text = overfit("--model=student", "--relaxed", *SMALL, "--epochs=1")
    assert "student_relaxed: an earlier test is removed" in text


def test_the_failing_settings_of_a_group_fail_and_the_checklist_says_why(
    overfit: Overfit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AdamW with eps 1e-3, accumulation of 16, and an output layer of N(0, 0.01)."""

    def small_head(channels: int, num_outputs: int) -> nn.Linear:
        head = make_head(channels, num_outputs)
        nn.init.normal_(head.weight, std=0.01)
        return head

    def large_eps(settings: Any, model: nn.Module) -> torch.optim.Optimizer:
        rate = settings.training.learning_rate
        return torch.optim.AdamW(parameter_groups(model, 0.0), lr=rate, eps=1e-3)

    usual = ["--model=student", "--relaxed", "--samples=16", *SMALL[:3], "--epochs=40"]
    usual += ["--learning_rate=2e-3", "--zero_wer_patience=1"]
    monkeypatch.setattr(student, "make_head", small_head)
    assert overfit(*usual, "--eval_steps=25")[0] == 0, "the output layer alone does no harm"
    monkeypatch.setattr(setup, "make_optimizer", large_eps)
    code, text = overfit(*usual, "--batch_size=4", "--accumulation_steps=16")
    assert code == 1 and "FAILED: The model did not learn" in text
    found = failed(tmp_path)
    assert {"optimizer_steps", "output_distribution"} <= found
    assert not found - {"optimizer_steps", "output_distribution", "update_size", "progress"}


def test_a_run_that_is_not_finite_fails_with_a_checklist(overfit: Overfit, tmp_path: Path) -> None:
    code, text = overfit("--model=student", "--relaxed", *SMALL, "--learning_rate=1e30")
    assert code == 1 and "it ended early" in text
    assert result(tmp_path)["trials"]["relaxed"]["non_finite_seen"]
    assert "finite" in failed(tmp_path)


def test_settings_that_are_too_strict_are_named(
    overfit: Overfit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(command.TRIALS, "standard", {"learning_rate": 1e-8})
    monkeypatch.setitem(command.TRIALS, "relaxed", {"learning_rate": 1e-2})
    code, text = overfit("--model=student", *SMALL[:3], *FEW)
    assert code == 1 and "stabilising settings" in text
    assert result(tmp_path)["verdict"] == "only_relaxed"


def test_sequences_that_ctc_cannot_align_are_not_chosen(overfit: Overfit, tmp_path: Path) -> None:
    sequences = tiny_sequences(24)
    short = next(s for s in sequences if s.id == "s001")
    short.labels[:] = ["A", "B"] * 20
    corpus = write_tiny(tmp_path / "corpus", sequences)
    _, text = overfit("--model=student", "--relaxed", *SMALL, "--epochs=1", corpus=corpus)
    assert len(result(tmp_path)["sequences"]) == 4 and "s001" not in result(tmp_path)["sequences"]
    _, text = overfit(
        "--model=student", "--relaxed", *SMALL, "--epochs=1", "--samples=50", corpus=corpus
    )
    assert "has only 17 sequences that CTC can align" in text


def test_a_signal_ends_the_test_without_a_verdict(
    overfit: Overfit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("slr_accel.train")
    monkeypatch.setattr(module, "train", lambda settings, start: 130)
    code, text = overfit("--model=student", *SMALL)
    assert code == 130 and "no verdict" in text
    assert not list(tmp_path.glob("overfit_*"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--model=student", "--lerning_rate=1"], "learning_rate"),
        (["--model=student", "--samples=0"], "--samples is 0"),
        (["--model=student", "--all"], "leave --model out"),
        (["--model=student", "--conv_channels=4"], "speech"),
        (["--recipe=fsdd"], "layout"),
    ],
)
def test_wrong_use_is_named(words: list[str], named: str, overfit: Overfit) -> None:
    code, text = overfit(*words)
    assert code == 2 and named in text


@pytest.mark.slow
def test_all_models_that_fit_are_compared(overfit: Overfit) -> None:
    code, text = overfit("--all", "--relaxed", "--epochs=1", "--dropout=0.2")
    assert code == 1
    table = text[text.index("all models on") :].splitlines()[2:]
    assert [row.split()[0] for row in table if row] == [m for m in MODELS if m != "speech"]


@pytest.mark.slow
def test_ctrl_c_ends_cleanly(tiny_corpus: Path, tmp_path: Path) -> None:
    words = ["--model=student", *SMALL, f"--data_dir={tiny_corpus}", f"--output_dir={tmp_path}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "slr_accel", "overfit", *words, "--zero_wer_patience=none"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert wait_for(partial(lines, tmp_path / "student_standard"), process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "no verdict" in output and "Traceback" not in output


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("student", ["manifest", "--index", "boston104/index.jsonl"]),
        ("teacher", ["manifest", "--index", "wlasl50/index.jsonl"]),
        ("cosign", ["skels", "--folder", "formats/skels"]),
        ("speech", ["speech", "--index", "fsdd/index.jsonl"]),
    ],
)
def test_ten_real_sequences_are_learned_by_heart(
    model: str,
    source: list[str],
    shared_data: Path,
    tmp_path: Path,
    overfit: Overfit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The train split of `skels` has five. The standard settings alone, for time."""
    monkeypatch.delitem(command.TRIALS, "relaxed")
    importer, option, path = source
    corpus = tmp_path / "corpus"
    with pytest.raises(SystemExit) as end:
        main(["prepare", importer, option, str(shared_data / path), "--out", str(corpus)])
    assert end.value.code == 0
    code, _ = overfit(f"--model={model}", "--samples=10", "--zero_wer_patience=2", corpus=corpus)
    assert code == 0
    assert result(tmp_path, model)["trials"]["standard"]["final_wer"] == 0
