"""Implements `slr-accel export RUN --out FOLDER`: a trained model as ONNX, checked."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slr_accel.commands.transcripts import warn

if TYPE_CHECKING:
    from slr_accel.live.streaming import StreamSettings
    from slr_accel.runs.opened import OpenedRun

ABOUT = """\
Writes a trained model as one ONNX graph: features, normalisation and lengths are inside, so that a
program feeds it what a corpus stores. The graph is compared with the model on sequences of the
split, alone and padded, before anything is written. examples/ has programs that run it without
slr_accel; --web adds a page that reads a camera or a video in a browser.
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
    parser.add_argument(
        "--web",
        action="store_true",
        help="write a page too, which any static server serves: it reads signing in a browser, "
        "offline (86 MB of npm packages are fetched once)",
    )
    parser.add_argument(
        "--vendor",
        type=Path,
        metavar="FOLDER",
        help="take the npm packages of --web from here, as `npm pack` writes them",
    )
    parser.add_argument("--data_dir", help="corpus to check it on [the one trained on]")
    parser.add_argument("--split", help="[dev, or the only split of the corpus]")
    parser.add_argument(
        "--checkpoint", default="best", help="best, last, or a checkpoint folder [best]"
    )
    parser.add_argument("--licence", help="licence of the model, for the manifest")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON alone")


def run(args: argparse.Namespace) -> int:
    if args.vendor and not args.web:
        raise ValueError("--vendor has no use without --web")
    manifest = export(
        args.run,
        args.out,
        int8=args.int8,
        web=args.web,
        vendor=args.vendor,
        split=args.split,
        data_dir=args.data_dir,
        checkpoint=args.checkpoint,
        licence=args.licence,
    )
    if args.json:
        print(json.dumps(manifest, indent=1, ensure_ascii=False))
    else:
        _show(manifest)
        print(f"\nexport: {args.out}")
        if args.web:
            print(f"page: slr-accel live {shlex.quote(str(args.out))} --web")
    return 0


def export(
    source: str,
    out: Path,
    *,
    int8: bool = False,
    web: bool = False,
    vendor: Path | None = None,
    split: str | None = None,
    data_dir: str | None = None,
    checkpoint: str = "best",
    licence: str | None = None,
) -> dict[str, Any]:
    """Writes the folder of an export, and returns its manifest; see the command's options."""
    from slr_accel.new_folder import check_new_folder, new_folder

    check_new_folder(out)
    from slr_accel.export.graph import need_packages
    from slr_accel.export.npm_parts import find_archives
    from slr_accel.runs.opened import open_run
    from slr_accel.scoring.references import ids_without_labels

    need_packages()
    with open_run(source, split=split, data_dir=data_dir, checkpoint=checkpoint) as opened:
        from slr_accel.export.web_page import page_description, write_page
        from slr_accel.export.write import Exported, write_export

        corpus = opened.corpus
        rows = corpus.rows.of_split(opened.split)
        labelled = not ids_without_labels(corpus, rows)
        if int8 and not labelled:
            raise ValueError(
                f"--int8 is judged by WER, and the split {opened.split!r} of {corpus.address} has "
                "sequences without labels; give another --split"
            )
        for text in opened.warnings:
            warn(text)
        opened.model.features.read_at(None)  # the graph has the frame rate of training
        exported = Exported(opened.model.cpu(), opened.vocabulary, corpus, rows, labelled)
        about = {"licence": licence, "layout": _layout(source, opened.checkpoint, exported)}
        about["checked_on"] = {"data_dir": corpus.address, "split": opened.split}
        archives: list[Path] = []
        if web:
            settings = _streaming(source, opened)
            about["web"] = page_description(opened.model, settings)
            archives = find_archives(vendor)
        with new_folder(out) as folder:
            manifest = write_export(exported, folder, int8=int8, about=about)
            if web:
                write_page(folder, archives)
    return manifest


def _streaming(source: str, opened: OpenedRun) -> StreamSettings:
    """How the page reads a stream. Raises ValueError where MediaPipe lacks what the model reads."""
    from slr_accel.live.streaming import chosen_settings
    from slr_accel.runs.recordings import make_reader
    from slr_accel.video.landmarks import STORED_LAYOUT

    make_reader(opened.model.features.layout, None, None, None).places_in(STORED_LAYOUT, "--web")
    return chosen_settings(source, opened.checkpoint, opened.model.max_frames)


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
