"""The benchmarks keep up with the modules that they measure."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_helpers import tiny_sequences, write_tiny

from slr_accel.corpus.reader import open_corpus

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.slow
def test_every_benchmark_can_be_imported() -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    assert len(names) > 5
    done = subprocess.run(
        [sys.executable, "-c", "".join(f"import {name}\n" for name in names)],
        cwd=FOLDER,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_folds_hold_each_sentence_out_once_and_tell_what_training_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import folds

    sequences = tiny_sequences(24)
    sequences[3] = replace(sequences[3], labels=["A", "NEVER"])
    corpus = open_corpus(write_tiny(tmp_path / "c", sequences))
    held_out: list[str] = []
    unseen = 0
    for number in range(3):
        out = tmp_path / f"{number}"
        folds.deal(tmp_path / "c", out, number, 3)
        fold = open_corpus(out)
        rows = fold.rows.of_split("dev")
        held_out += [fold.rows.id(row) for row in rows]
        for row in range(len(fold.rows)):
            np.testing.assert_array_equal(fold.features(row), corpus.features(row))
        words = [(fold.rows.id(row), word) for row in rows for word in fold.labels(row)]
        said = "".join(f"{name} 1 {i}.0 0.1 {word}\n" for i, (name, word) in enumerate(words[1:]))
        (tmp_path / "dev.ctm").write_text(said)
        found = folds.read_fold(out, tmp_path / "dev.ctm")
        assert (found.all.deletions, found.all.errors) == (1, 1)
        assert found.all.reference_tokens == len(words)
        lacks = ("s003", "NEVER") in words
        of_known = [word for name, word in words if not (lacks and name == "s003")]
        assert found.known.reference_tokens == len(of_known)
        unseen += found.unseen
    assert sorted(held_out) == [sequence.id for sequence in sequences]
    assert unseen == 1


@pytest.mark.slow
def test_the_script_for_gpus_runs_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import gpu
    import measure

    monkeypatch.setattr(measure, "RESULTS", tmp_path / "RESULTS.md")
    words = ["--device", "cpu", "--tiny", "--models", "student", "--ways", "fp32"]
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words, "--profiles", str(tmp_path / "profiles")])
    gpu.main()
    line = (tmp_path / "RESULTS.md").read_text().splitlines()[-1]
    assert line.startswith("| student | fp32 | 1 | ") and "failed" not in line
    assert "aten::" in (tmp_path / "profiles" / "student_fp32_1.txt").read_text()
