"""Implements `slr-accel export RUN --out FOLDER`: a trained model as ONNX, checked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from slr_accel.commands.transcripts import warn

ABOUT = """\
Writes a trained model as one ONNX graph: features, normalisation and lengths are inside, so that a
program feeds it what a corpus stores. The graph is compared with the model on sequences of the
split, alone and padded, before anything is written. examples/ has programs that run it without
slr_accel.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = ABOUT
    parser.add_argument(
        "run",
        metavar="RUN",
        help="a run (its best checkpoint); or a model folder or hf://OWNER/NAME, with --data_dir",
    )
    parser.add_argument("--out", required=True, type=Path, help="new folder for the export")
    parser.add_argument(
        "--int8",
        action="store_true",
        help="write an int8 graph too: the best of three, at most a point of WER above fp32",
    )
    parser.add_argument("--data_dir", help="corpus to check it on [the one trained on]")
    parser.add_argument("--split", help="[dev, or the only split of the corpus]")
    parser.add_argument(
        "--checkpoint", default="best", help="best, last, or a checkpoint folder [best]"
    )
    parser.add_argument("--licence", help="licence of the model, for the manifest")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON alone")


def run(args: argparse.Namespace) -> int:
    from slr_accel.new_folder import check_new_folder, new_folder

    check_new_folder(args.out)
    from slr_accel.export.graph import need_packages
    from slr_accel.runs.opened import open_run
    from slr_accel.scoring.references import ids_without_labels

    need_packages()
    opened_run = open_run(
        args.run, split=args.split, data_dir=args.data_dir, checkpoint=args.checkpoint
    )
    with opened_run as opened:
        from slr_accel.export.write import Exported, write_export

        corpus = opened.corpus
        rows = corpus.rows.of_split(opened.split)
        labelled = not ids_without_labels(corpus, rows)
        if args.int8 and not labelled:
            raise ValueError(
                f"--int8 is judged by WER, and the split {opened.split!r} of {corpus.address} has "
                "sequences without labels; give another --split"
            )
        for text in opened.warnings:
            warn(text)
        opened.model.features.read_at(None)  # the graph has the frame rate of training
        exported = Exported(opened.model.cpu(), opened.vocabulary, corpus, rows, labelled)
        about = {"licence": args.licence, "layout": _layout(args.run, opened.checkpoint, exported)}
        about["checked_on"] = {"data_dir": corpus.address, "split": opened.split}
        with new_folder(args.out) as folder:
            manifest = write_export(exported, folder, int8=args.int8, about=about)
    if args.json:
        print(json.dumps(manifest, indent=1, ensure_ascii=False))
    else:
        _show(manifest)
        print(f"\nexport: {args.out}")
    return 0


def _layout(source: str, checkpoint: Path, exported: Any) -> dict[str, Any]:
    """The layout, with how recordings mark absence where that is known."""
    from slr_accel.models.find import recordings_layout

    path = recordings_layout(source, checkpoint)
    if path is None:
        layout: dict[str, Any] = exported.model.features.layout.to_json()
        return layout
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _show(manifest: dict[str, Any]) -> None:
    from rich.table import Table

    from slr_accel.terminal import Terminal

    table = Table(box=None)
    table.add_column("")
    for name in ("MB", "ms a second of signing", "WER"):
        table.add_column(name, justify="right")
    for name, figures in manifest["figures"].items():
        table.add_row(
            f"{name} (chosen)" if figures.get("chosen") else name,
            f"{figures['mb']:.2f}" if "mb" in figures else "",
            f"{figures['ms_per_second']:.1f}",
            f"{figures['wer']:.1%}" if "wer" in figures else "",
        )
    console = Terminal()
    console.print(table)
    difference = manifest["figures"]["fp32"]["largest_difference"]
    console.print(f"largest difference from torch in log-probabilities: {difference:.1g}")
