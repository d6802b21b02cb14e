"""An exported graph is the model, for sequences of any length, alone and padded."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from models_helpers import LAYOUTS, make, random_batch, run

import slr_accel
from slr_accel.cli import main
from slr_accel.corpus.format import sha256
from slr_accel.export.check import largest_difference
from slr_accel.export.graph import write_graph
from slr_accel.export.session import onnx_run, torch_run
from slr_accel.models.recogniser import Recogniser

FEW = ("position", "velocity")
"""Tracing takes its time; test_functional_features has all groups."""
EXAMPLE = Path(__file__).parents[2] / "examples" / "transcribe_onnx.py"
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def assert_same(model: Recogniser, folder: Path) -> None:
    write_graph(model, folder / "model.onnx")
    graph = onnx_run(folder / "model.onnx")
    for lengths in ([37, 5, 1, 64, 18], [1], [2], [3], [130]):
        batch = random_batch(model.features.layout, lengths)
        with torch.no_grad():
            expected = run(model.eval(), batch)
        found, steps = graph(*(x.numpy() for x in (batch.features, batch.presence, batch.lengths)))
        assert steps.tolist() == expected.lengths.tolist()
        for one, other, length in zip(found, expected.log_probs.numpy(), steps, strict=True):
            np.testing.assert_allclose(one[:length], other[:length], atol=1e-5)


def test_a_student_as_a_graph_is_the_same(tmp_path: Path) -> None:
    assert_same(make("student", LAYOUTS["tracks"], groups=FEW, conv_blocks=2), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("teacher", {"inception_blocks": 2, "lstm_layers": 1}),
        ("speech", {"lstm_layers": 1}),
        ("cosign", {"graph_blocks": 1, "lstm_layers": 1}),
    ],
)
def test_other_models_as_graphs_are_the_same(name: str, settings: dict, tmp_path: Path) -> None:
    layout = LAYOUTS["log-mel" if name == "speech" else "tracks"]
    assert_same(
        make(name, layout, groups=FEW if name == "cosign" else FEW[:1], **settings), tmp_path
    )


def test_a_difference_is_found() -> None:
    """Also one that padding alone makes, or NaN."""
    model = make("student", LAYOUTS["tracks"]).eval()
    batch = random_batch(LAYOUTS["tracks"], [20, 12])
    inputs = [
        (batch.features[i, :n].numpy(), batch.presence[i, :n].numpy())
        for i, n in enumerate([20, 12])
    ]
    ours = torch_run(model)

    def padded_wrongly(features, presence, lengths):
        return ours(features, presence, np.full_like(lengths, features.shape[1]))

    def not_a_number(*given):
        log_probs, steps = ours(*given)
        return log_probs * np.nan, steps

    assert largest_difference(ours, ours, inputs) == 0
    assert largest_difference(ours, padded_wrongly, inputs) == np.inf
    assert largest_difference(ours, not_a_number, inputs) == np.inf


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([str(word) for word in words])
    return int(exit_info.value.code or 0)


@pytest.mark.slow
def test_the_folder_has_all_that_a_program_needs(
    plain_run: Path, tiny_corpus: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "an export"
    assert command("export", plain_run, "--out", out, "--int8", "--json") == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest == json.loads(capsys.readouterr().out)
    assert {path.name for path in out.iterdir()} == {"manifest.json", *manifest["sha256"]}
    assert all(sha256(out / name) == value for name, value in manifest["sha256"].items())
    assert manifest["vocabulary"] == ["A", "B", "C", "D"]
    assert manifest["layout"]["blocks"][0]["missing"] == "zeros"
    array = np.array(slr_accel.open_corpus(tiny_corpus).features(0))
    np.save(tmp_path / "array.npy", array)
    words = [sys.executable, str(EXAMPLE), str(out), str(tmp_path / "array.npy")]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    read = slr_accel.load(plain_run).transcribe(array)
    assert [line.split()[-1] for line in printed.splitlines()] == read.glosses
    figures = manifest["figures"]
    assert figures["fp32"]["wer"] == figures["torch"]["wer"]
    forms = [name for name in figures if name.startswith("int8_")]
    assert len(forms) == 3 and sum(figures[name].get("chosen", False) for name in forms) == 1


def test_the_example_reads_recordings_of_another_order_with_several_marks_of_absence(
    tmp_path: Path, monkeypatch
) -> None:
    layout = {
        "blocks": [
            {"name": "pose", "points": ["a", "b"], "axes": ["x", "y"], "missing": "zeros"},
            {"name": "hand", "points": ["c"], "axes": ["x", "y"], "missing": "zeros,nan"},
        ]
    }
    (tmp_path / "graph").write_bytes(b"")
    manifest = {
        "files": {"fp32": "graph"},
        "sha256": {"graph": sha256(tmp_path / "graph")},
        "layout": {**layout, "block_order": ["hand", "pose"]},
        "output_stride": 4,
        "frames_per_second": 25,
        "vocabulary": ["A"],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    given: dict[str, np.ndarray] = {}

    class Session:
        def __init__(self, path: str) -> None: ...

        def run(self, _: None, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            given.update(inputs)
            return np.zeros((1, 1, 2), np.float32), np.array([1])

    monkeypatch.setattr("onnxruntime.InferenceSession", Session)
    transcribe = runpy.run_path(str(EXAMPLE))["transcribe"]
    transcribe(tmp_path, np.array([[5, 6, 1, 2, 3, 4], [0, 0, 1, 2, 3, 4], [np.nan] * 2 + [1] * 4]))
    assert given["features"].tolist() == [
        [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 0, 0], [1] * 4 + [0] * 2]
    ]
    assert given["presence"].tolist() == [[[True, True], [True, False], [True, False]]]


def test_a_graph_that_does_not_hold_is_not_written(
    plain_run: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    """Here the graph is that of another model."""
    from slr_accel.export import write

    def write_other(model: Recogniser, path: Path) -> None:
        path.write_bytes(b"x")

    monkeypatch.setattr(write, "write_graph", write_other)
    monkeypatch.setattr(write, "onnx_run", lambda path: torch_run(other))
    from slr_accel.models.folder import load_model

    other, _ = load_model(plain_run / "best")
    other.eval()
    with torch.no_grad():
        other.head.weight.mul_(1.01)  # type: ignore[union-attr, operator]
    assert command("export", plain_run, "--out", tmp_path / "export") == 1
    assert "differs from the model" in capsys.readouterr().err
    assert not (tmp_path / "export").exists()


def test_a_model_that_cannot_be_exported_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="student_reference"):
        write_graph(make("student_reference", LAYOUTS["tracks"]), tmp_path / "model.onnx")


def test_a_folder_that_exists_is_left_alone(plain_run: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "note").write_text("mine")
    assert command("export", plain_run, "--out", tmp_path) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_page_for_a_model_that_mediapipe_cannot_feed_is_refused(
    plain_run: Path, tmp_path: Path, capsys
) -> None:
    assert command("export", plain_run, "--web", "--out", tmp_path / "page") == 2
    assert "MediaPipe finds no" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()
