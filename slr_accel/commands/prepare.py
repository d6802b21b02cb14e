"""`slr-accel prepare NAME`: makes a corpus on disk from a source."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from slr_accel.commands.help_text import Description

IMPORTERS = {
    "manifest": "arrays (npy, npz, safetensors) named by a jsonl or csv index: for own data",
    "video": "videos or folders of frames -> landmarks of MediaPipe Holistic",
    "speech": "sound files and transcripts -> 80-bin log-mel",
    "keypoints": "pickles, OpenPose JSON or parquet with the annotations of public corpora",
    "phoenix2014": "RWTH-PHOENIX-Weather 2014, multisigner or SI5, with landmarks beside it",
    "phoenix2014t": "RWTH-PHOENIX-Weather 2014 T with landmarks beside it",
    "pose": "files of the pose-format library (.pose) with MediaPipe Holistic",
    "skels": "skeletons as text (.skels, .gloss, .files), as PHOENIX-2014T has them",
    "mp_data": "WORD/SEQUENCE/FRAME.npy, the values of MediaPipe Holistic a frame",
    "synthetic": "a procedural signer over the MediaPipe Holistic layout",
    "compose": "a corpus of single signs becomes sentences, with transitions between signs",
    "merge": "joins the parts that --shard has made on several machines",
}
"""{module of importers with DESCRIPTION, add_arguments and list_sequences: its summary}"""
GUESS = """\
Looks at what lies in a file or folder: arrays, pickles, tables, videos, files of OpenPose or
MediaPipe. Says what it is and prints the command that makes a corpus of it. Nothing is written.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="importer", metavar="NAME", required=True)
    add_guess(kinds)
    for name, summary in IMPORTERS.items():
        importer = import_module(f"slr_accel.importers.{name}")
        kind = kinds.add_parser(
            name, help=summary, description=importer.DESCRIPTION, formatter_class=Description
        )
        kind.set_defaults(parser=kind)
        importer.add_arguments(kind)
        kind.add_argument("--out", required=True, type=Path, help="new corpus folder")
        kind.add_argument(
            "--allow_absent",
            metavar="BLOCK,...",
            help="blocks that may be absent from every frame, as a hand that never signs [none]",
        )
        if name != "merge":
            kind.add_argument(
                "--allow_skips",
                action="store_true",
                help="leave out sequences that cannot be read, and list them",
            )
            kind.add_argument(
                "--shard",
                metavar="I/N",
                help="make part I of N (from 0) on this machine; `prepare merge` joins them",
            )


def add_guess(kinds: Any) -> None:
    kind = kinds.add_parser(
        "guess",
        help="says what a file or folder is, and which of these commands reads it: start here",
        description=GUESS,
        formatter_class=Description,
    )
    kind.set_defaults(parser=kind)
    kind.add_argument("path", type=Path, metavar="FILE|FOLDER")
    kind.add_argument("--json", action="store_true", help="the same as JSON")


def run_guess(args: argparse.Namespace) -> int:
    """Prints what a source is; 1 where no command reads it."""
    from slr_accel.importers.guess import guess
    from slr_accel.importers.guess_text import as_text

    found = guess(args.path)
    if args.json:
        print(json.dumps([one.to_json() for one in found], indent=2, ensure_ascii=False))
    else:
        print("\n\n".join(map(as_text, found)))
    return 0 if any(one.commands for one in found) else 1


def run(args: argparse.Namespace) -> int:
    if args.importer == "guess":
        return run_guess(args)
    from slr_accel.importers.build import build_corpus
    from slr_accel.importers.machine_parts import Part
    from slr_accel.new_folder import check_new_folder
    from slr_accel.progress import track

    check_new_folder(args.out)
    is_merge = args.importer == "merge"
    part = Part.parse(args.shard) if not is_merge and args.shard else None
    importer = import_module(f"slr_accel.importers.{args.importer}")
    listing = importer.list_sequences(args)
    for text in listing.notes:
        print(f"note: {text}", file=sys.stderr)
    built = build_corpus(
        listing,
        args.out,
        part=part,
        allow_skips=not is_merge and args.allow_skips,
        allow_absent=args.allow_absent.split(",") if args.allow_absent else (),
        track=track,
    )
    if listing.preview and not built.preview:
        print(f"note: {listing.notes[-1]}", file=sys.stderr)
    for text in built.notes:
        print(f"note: {text}", file=sys.stderr)
    for text in built.skipped:
        print(f"skipped {text}", file=sys.stderr)
    info = built.info
    names = sorted(info.splits, key=lambda name: (name != "train", name))
    splits = ", ".join(f"{info.splits[name]['sequences']} {name}" for name in names) or "no"
    megabytes = sum(shard.bytes for shard in info.shards) / 1e6
    print(f"{built.folder}: {splits} sequences, {info.dtype}, {megabytes:.1f} MB")
    if built.preview:
        print(f"landmarks drawn on some frames: {built.preview}")
    if part:
        print(f"join all {part.count}: slr-accel prepare merge --out {shlex.quote(str(args.out))}")
    else:
        print(f"look at it: slr-accel inspect {shlex.quote(str(args.out))}")
    return 0
