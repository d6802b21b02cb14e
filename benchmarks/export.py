"""Measures exported models against torch: speed, size and WER on the split they are checked on.

    python benchmarks/export.py runs/boston104 runs/wlasl50

Each run is exported with int8 in all forms. Time: one thread, sequences of the split read one by
one, torch and the graphs in turns; ratios are taken within a turn, and their median counts. The WER
is that of greedy decoding over the whole split.
"""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path

import torch
from measure import in_turns, make_parser, record, table

from slr_accel.export.check import Input, milliseconds_a_second, read_inputs
from slr_accel.export.int8 import FORMS
from slr_accel.export.session import Run, onnx_run, torch_run
from slr_accel.export.write import GRAPH_FILE, Exported, write_export
from slr_accel.runs.opened import open_run

SEQUENCES = 20


def main() -> None:
    parser = make_parser(__doc__, rounds=7)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder")
    parser.add_argument("--data_dir", help="corpus of the runs [the one trained on]")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for run in args.runs for row in measured(run, args.data_dir, args.rounds)]
    columns = ("run", "model", "form", "MB", "ms a second of signing", "faster than torch", "WER")
    record("export", f"{SEQUENCES} sequences, one thread", table(columns, rows))


def measured(source: str, data_dir: str | None, rounds: int) -> list[list[str]]:
    """The rows of the table for a run."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        open_run(source, data_dir=data_dir) as opened,
    ):
        folder = Path(temporary)
        split = opened.corpus.rows.of_split(opened.split)
        opened.model.features.read_at(None)
        exported = Exported(opened.model.cpu(), opened.vocabulary, opened.corpus, split, True)
        manifest = write_export(exported, folder, int8=True, about={})
        runs: dict[str, Run] = {"torch": torch_run(opened.model)}
        runs["fp32"] = onnx_run(folder / GRAPH_FILE)
        for name, write_form in FORMS.items():
            path = folder / f"{name}.onnx"
            write_form(folder / GRAPH_FILE, path)
            runs[f"int8_{name}"] = onnx_run(path)
        some = list(split[:: max(1, len(split) // SEQUENCES)])
        inputs = read_inputs(opened.corpus, some, opened.model.max_frames)
        rate = opened.model.features.frames_per_second
        found = in_turns(
            {name: partial(_timed, run, inputs, rate) for name, run in runs.items()}, rounds
        )
    rows = []
    for name, times in found.items():
        figures = manifest["figures"][name]
        ratio = statistics.median(t / own for t, own in zip(found["torch"], times, strict=True))
        size = f"{figures['mb']:.2f}" if "mb" in figures else ""
        speed = f"{statistics.median(times):.2f}"
        start = [Path(source).name, manifest["model_type"], name]
        rows.append([*start, size, speed, f"{ratio:.2f} x", f"{figures['wer']:.1%}"])
    return rows


def _timed(run: Run, inputs: list[Input], rate: float) -> float:
    return milliseconds_a_second(run, inputs, rate)


if __name__ == "__main__":
    main()
