"""Implements `slr-accel transcribe RUN FILE...`: reads recordings without making a corpus."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slr_accel.runs.trained import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        metavar="RUN",
        help="a run (its best checkpoint), a model folder or hf://OWNER/NAME",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="arrays (FILE.npy, FILE.npz#KEY, FILE.safetensors#KEY) as those of the corpus trained "
        "on, .pose files, or videos",
    )
    parser.add_argument(
        "--fps", type=float, help="frames per second of the arrays [as the corpus trained on]"
    )
    parser.add_argument(
        "--frame_size", metavar="WxH", help="of the arrays' video in pixels [as in training]"
    )
    parser.add_argument(
        "--missing",
        help="how arrays mark what was not detected, as in `prepare manifest` [as in training]",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... [a GPU where there is one]")
    parser.add_argument("--json", action="store_true", help="print times and confidences as JSON")
    parser.add_argument("--vtt", type=Path, metavar="FOLDER", help="write subtitles there")


def run(args: argparse.Namespace) -> int:
    from slr_accel.api import load
    from slr_accel.commands.transcripts import make_writable
    from slr_accel.importers.units import parse_frame_size

    subtitles = _subtitle_paths(args.files, args.vtt) if args.vtt else {}
    size = parse_frame_size(args.frame_size) if args.frame_size else None
    recogniser = load(args.run, device=args.device, missing=args.missing)
    if args.vtt:
        make_writable(args.vtt, option="--vtt")
    found = []
    for file in args.files:
        result = recogniser.transcribe(file, fps=args.fps, frame_size=size)
        if args.json:
            found.append({"file": file, **result.to_json()})
        else:
            print(f"{file}  {' '.join(result.glosses) or '(no words)'}", flush=True)
        if args.vtt:
            _write_subtitles(subtitles[file], result)
    if args.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    elif args.vtt:
        print(f"subtitles: {args.vtt}")
    return 0


def _subtitle_paths(files: list[str], folder: Path) -> dict[str, Path]:
    """{file: its subtitles}. Raises ValueError where two files would have the same."""
    paths: dict[str, Path] = {}
    for file in files:
        name, _, key = file.partition("#")
        path = folder / f"{Path(name).stem}{'_' if key else ''}{key.replace('/', '_')}.vtt"
        if path in paths.values() and file not in paths:
            raise ValueError(f"{file}: another file has the subtitles {path} too; rename one")
        paths[file] = path
    return paths


def _write_subtitles(path: Path, result: Result) -> None:
    from slr_accel.files import replaced
    from slr_accel.scoring.subtitles import write_webvtt

    words = [(*time, gloss) for time, gloss in zip(result.times, result.glosses, strict=True)]
    with replaced(path) as unfinished:
        write_webvtt(unfinished, words)
