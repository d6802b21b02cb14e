"""`slr-accel diagnose` names faults planted in corpora, and reads runs without disturbing them."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_helpers import TrainCommand, tiny_sequences, write_tiny
from safetensors.numpy import load_file, save_file

from slr_accel.cli import main
from slr_accel.corpus.sequence import Sequence

Change = Callable[[Sequence], Sequence]


def diagnose(
    capsys: pytest.CaptureFixture[str], out: Path, *words: object
) -> tuple[int, dict[str, Any]]:
    """The exit code, and what --json prints."""
    with pytest.raises(SystemExit) as exit:
        main(["diagnose", *map(str, words), "--output_dir", str(out), "--json"])
    return int(exit.value.code or 0), json.loads(capsys.readouterr().out)


def errors(result: dict[str, Any]) -> list[str]:
    return [f["code"] for f in result["findings"] if f["severity"] == "error"]


def changed(split: str, **arrays: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Changes arrays of the sequences of a split."""

    def change(sequence: Sequence) -> Sequence:
        if sequence.split != split:
            return sequence
        new = {name: change(getattr(sequence, name)) for name, change in arrays.items()}
        return replace(sequence, **new)

    return change


def swap(features: np.ndarray) -> np.ndarray:
    return features[:, [2, 3, 0, 1]]


def both_hands(sequence: Sequence) -> Sequence:
    """The left hand is seen at a place of its own."""
    features = sequence.features.copy()
    features[:, :2] = np.random.default_rng(0).normal(4, 0.3, features[:, :2].shape)
    return replace(sequence, features=features, presence=np.ones_like(sequence.presence))


def nan(features: np.ndarray) -> np.ndarray:
    features = features.copy()
    features[::10, 2] = np.nan
    return features


FAULTS: dict[str, Change] = {
    "blocks_swapped": changed("dev", features=swap),
    "features_differ": changed("train", features=lambda features: (features - 5) / 30),
    "absence_differs": changed("dev", presence=lambda presence: presence & [True, False]),
    "constant_features": changed("train", features=np.ones_like),
    "non_finite": changed("train", features=nan),
}


@pytest.mark.parametrize("code", FAULTS)
def test_faults_of_a_corpus_are_named_first(
    code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sequences = [FAULTS[code](both_hands(sequence)) for sequence in tiny_sequences(40)]
    corpus = write_tiny(tmp_path / "corpus", sequences)
    exit_code, result = diagnose(capsys, tmp_path / "out", corpus)
    assert exit_code == 1
    assert errors(result)[0] == code, result["findings"]


def test_a_run_finds_test_sentences_in_train_by_their_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], train: TrainCommand
) -> None:
    sequences = [both_hands(sequence) for sequence in tiny_sequences(40)]
    leaked = [replace(s, id=f"{s.id}_copy", split="train") for s in sequences[::8]]
    corpus = write_tiny(tmp_path / "corpus", [*sequences, *leaked])
    train.run(tmp_path / "run", data_dir=corpus, epochs=1)
    exit_code, result = diagnose(capsys, tmp_path / "out", tmp_path / "run")
    assert exit_code == 1 and "split_overlap" in errors(result)


def test_a_sound_corpus_raises_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_tiny(tmp_path / "corpus", [both_hands(s) for s in tiny_sequences(40)])
    exit_code, result = diagnose(capsys, tmp_path / "out", corpus)
    assert exit_code == 0 and errors(result) == [], result["findings"]


@pytest.fixture(scope="module")
def run(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    train.run(run, epochs=4)
    return run


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """{file: (size, time of its last change)}"""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_is_only_read_though_it_still_trains(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99, "lo')
    before = content(run)
    _, result = diagnose(capsys, tmp_path / "out", run)
    assert content(run) == before
    assert result["kind"] == "run" and result["training"]["curves"]
    assert result["layers"][0]["name"] == "features"
    assert len(result["sentences"]) == 4
    words = result["output"]["errors"]["wer"]["reference_tokens"]
    assert words == sum(row["words"] for row in result["output"]["errors"]["by_place"])


def test_the_page_is_one_file_that_fetches_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnose(capsys, tmp_path, run)
    page = (tmp_path / "diagnosis.html").read_text()
    assert not re.search(r"https?://|<script|<link|src=|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page
    assert page.count('<svg class="chart"') >= 2 and page.count('<svg class="heat"') == 4


def test_the_summary_fits_80_columns(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["diagnose", str(run), "--output_dir", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert "WER is" in lines[0]
    assert max(map(len, lines[:-1])) <= 80  # the last one is the path of the page


def test_a_vocabulary_of_other_words_is_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "best" / "vocabulary.json"
    kept = path.read_text()
    broken = json.loads(kept)
    broken["tokens"] = [token.lower() for token in broken["tokens"]]
    try:
        path.write_text(json.dumps(broken))
        exit_code, result = diagnose(capsys, tmp_path, run)
    finally:
        path.write_text(kept)
    assert exit_code == 1
    assert errors(result)[:2] == ["token_map", "unsayable_words"]


def test_weights_that_are_not_finite_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken, symlinks=True)
    path = (broken / "best").resolve() / "model.safetensors"
    weights = load_file(path)
    weights["head.weight"][:] = np.nan
    save_file(weights, path)
    exit_code, result = diagnose(capsys, tmp_path / "out", broken)
    assert exit_code == 1 and errors(result)[0] == "non_finite"
    assert "layer head" in result["findings"][0]["problem"]
    with pytest.raises(SystemExit):
        main(["diagnose", str(broken), "--output_dir", str(tmp_path / "out")])
    assert "not finite" in capsys.readouterr().out


def test_a_run_without_a_checkpoint_has_its_log_and_corpus(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    young = tmp_path / "young"
    young.mkdir()
    for name in ("config.yaml", "metrics.jsonl", "environment.json"):
        os.link(run / name, young / name)
    _, result = diagnose(capsys, tmp_path / "out", young)
    assert result["output"] is None and result["training"]["curves"] and result["corpus"]


def test_metrics_alone(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, result = diagnose(capsys, tmp_path / "out", run / "metrics.jsonl")
    assert result["kind"] == "metrics" and result["corpus"] is None


def test_what_is_none_of_these_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["diagnose", str(tmp_path)])
    assert exit.value.code == 2
    assert "is no run, corpus or metrics.jsonl" in capsys.readouterr().err
