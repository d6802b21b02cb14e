"""Writes the folder of an export: graphs that hold against the model, and a manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.corpus.format import sha256
from slr_accel.corpus.reader import Corpus
from slr_accel.errors import RunError
from slr_accel.export.check import (
    TOLERANCE,
    Input,
    largest_difference,
    milliseconds_a_second,
    read_inputs,
    word_error_rate,
)
from slr_accel.export.graph import INPUTS, OUTPUTS, write_graph
from slr_accel.export.int8 import FORMS
from slr_accel.export.session import Run, onnx_run, torch_run
from slr_accel.labels.vocabulary import BLANK, Vocabulary
from slr_accel.models.build import model_name
from slr_accel.models.recogniser import Recogniser

MANIFEST_FILE = "manifest.json"
GRAPH_FILE, INT8_FILE = "model.onnx", "model.int8.onnx"
FORMAT_VERSION = 1
COMPARED, TIMED = 5, 10
"""Sequences that the graph is compared on, and that its speed is measured on."""
MOST_LOST = 0.01
"""WER that int8 may cost, as a fraction."""


@dataclass(frozen=True)
class Exported:
    """A model to export, and the split that the export is judged on."""

    model: Recogniser
    """On the CPU, in evaluation mode, reading at its own frame rate."""
    vocabulary: Vocabulary
    corpus: Corpus
    rows: np.ndarray
    """All of one split, with labels where the WER is wanted."""
    labelled: bool


def write_export(
    exported: Exported, folder: Path, *, int8: bool, about: dict[str, Any]
) -> dict[str, Any]:
    """Writes graphs and manifest into a folder, and returns the manifest.

    Args:
        int8: write an int8 graph too, which needs labels.
        about: what the manifest says of the model's source: checkpoint, missing, licence.

    Raises:
        ValueError: the model cannot be written as ONNX.
        RunError: a graph does not hold against the model.
    """
    model, corpus, rows = exported.model, exported.corpus, exported.rows
    inputs = read_inputs(corpus, list(rows), model.max_frames)
    write_graph(model, folder / GRAPH_FILE)
    ours, graph = torch_run(model), onnx_run(folder / GRAPH_FILE)
    difference = largest_difference(ours, graph, _of_all_lengths(inputs))
    if difference > TOLERANCE:
        raise RunError(
            f"the ONNX graph differs from the model by {difference:.2g} in log-probabilities, more "
            f"than {TOLERANCE:g}; nothing was written"
        )
    figures = {"torch": _figures(exported, ours, inputs), "fp32": _figures(exported, graph, inputs)}
    figures["fp32"] |= {"mb": _megabytes(folder / GRAPH_FILE), "largest_difference": difference}
    files = {"fp32": GRAPH_FILE}
    if int8:
        figures |= _write_best_int8(exported, folder, inputs, figures["fp32"]["wer"])
        files["int8"] = INT8_FILE
    manifest = {**_description(exported), **about, "files": files, "figures": figures}
    manifest["sha256"] = {name: sha256(folder / name) for name in files.values()}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
    return manifest


def _write_best_int8(
    exported: Exported, folder: Path, inputs: list[Input], fp32_wer: float
) -> dict[str, Any]:
    """Writes the int8 graph with the lower WER, or the smaller one; returns figures of all."""
    figures: dict[str, Any] = {}
    for name, write_form in FORMS.items():
        path = folder / f"int8_{name}.onnx"
        write_form(folder / GRAPH_FILE, path)
        figures[f"int8_{name}"] = {
            **_figures(exported, onnx_run(path), inputs),
            "mb": _megabytes(path),
        }
    best = min(figures, key=lambda name: (figures[name]["wer"], figures[name]["mb"]))
    if figures[best]["wer"] > fp32_wer + MOST_LOST:
        found = ", ".join(f"{name} {figures[name]['wer']:.1%}" for name in figures)
        raise RunError(
            f"int8 costs more than a point of WER: fp32 {fp32_wer:.1%}, {found}; nothing was "
            "written: leave out --int8"
        )
    for name in figures:
        path = folder / f"{name}.onnx"
        if name == best:
            path.rename(folder / INT8_FILE)
        else:
            path.unlink()
    figures[best]["chosen"] = True
    return figures


def _figures(exported: Exported, run: Run, inputs: list[Input]) -> dict[str, Any]:
    timed = inputs[:: max(1, len(inputs) // TIMED)]
    rate = exported.model.features.frames_per_second
    figures = {"ms_per_second": round(milliseconds_a_second(run, timed, rate), 3)}
    if exported.labelled:
        own = exported.corpus, exported.rows, exported.vocabulary
        figures["wer"] = word_error_rate(run, inputs, *own)
    return figures


def _of_all_lengths(inputs: list[Input]) -> list[Input]:
    """Sequences from the shortest to the longest."""
    ordered = sorted(inputs, key=lambda own: len(own[0]))
    places = np.unique(np.linspace(0, len(ordered) - 1, COMPARED).round().astype(int))
    return [ordered[place] for place in places]


def _description(exported: Exported) -> dict[str, Any]:
    """All that a program needs to run the graph and to read its output."""
    model, vocabulary = exported.model, exported.vocabulary
    features = model.features
    return {
        "format": "slr_accel export",
        "format_version": FORMAT_VERSION,
        "slr_accel": version("slr-accel"),
        "model_type": model_name(model),
        "inputs": dict(
            zip(
                INPUTS,
                (
                    f"[B, T, {features.layout.columns}] float32, 0 where a block is absent",
                    f"[B, T, {len(features.layout.blocks)}] bool, whether a block was detected",
                    "[B] int64 frames",
                ),
                strict=True,
            )
        ),
        "outputs": dict(
            zip(
                OUTPUTS,
                (f"[B, T', {vocabulary.num_outputs}] float32", "[B] int64 valid steps"),
                strict=True,
            )
        ),
        "frames_per_second": features.frames_per_second if features.knows_rate else None,
        "output_stride": model.output_stride,
        "max_frames": model.max_frames,
        "temperature": model.temperature,
        "decoder": "greedy",
        "blank": BLANK,
        "label_policy": vocabulary.label_policy,
        "vocabulary": list(vocabulary.tokens),
        "units": features.layout.units,
    }


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 3)
