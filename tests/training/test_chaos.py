"""benchmarks/chaos.py: a run that is killed again and again ends as one that never was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from run_helpers import SMALL

ROOT = Path(__file__).parents[2]


def chaos(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "chaos.py"), *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.timeout(1200)
def test_every_way_to_die_leaves_the_same_weights(tiny_corpus: Path) -> None:
    names = ("batch_size", "channels", "lstm_hidden", "lstm_layers")
    settings = [f"--{name}={SMALL[name]}" for name in names]
    words = ["--kills", "7", "--steps", "45", "--corpus", str(tiny_corpus), *settings]
    output = chaos(*words, "--epochs", "20", "--ema_decay", "0.9")
    assert output.endswith("same weights: yes\n")
    assert "end" not in output.split(), "the run was complete before it was killed often enough"


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.distributed
@pytest.mark.timeout(2400)
def test_twenty_kills_on_real_signing_leave_the_same_weights(
    shared_data: Path, tmp_path: Path
) -> None:
    index, corpus = shared_data / "boston104" / "index.jsonl", tmp_path / "boston104"
    subprocess.run(
        [
            *(sys.executable, "-m", "slr_accel.cli", "prepare", "manifest"),
            *("--index", str(index), "--out", str(corpus)),
        ],
        check=True,
    )
    output = chaos("--corpus", str(corpus), "--recipe", "boston104", "--kills", "20")
    assert output.endswith("same weights: yes\n")
