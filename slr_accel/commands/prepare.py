"""`slr-accel prepare NAME`: sources become a corpus on disk."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

MANIFEST_HELP = """\
Makes a corpus from arrays on disk. INDEX is a .jsonl file with one sequence a line:

  {"id": "s1", "split": "train", "signer": "anna", "features": "s1.npy", "labels": "HELLO WORLD"}

features  FILE.npy, FILE.npz#KEY or FILE.safetensors#KEY, [frames, values]; or a list of them,
          joined in time. Paths start at the index.
labels    glosses, as a text with spaces or a list; needed in the split `train`
split     train and dev are what training uses; others (test) are for evaluate and predict
also      signer, fps (frames per second), text, segments ([[start_frame, end_frame, gloss], ...])

A .csv with these column names works too (a list of features with `;` between). A layout.json beside
the index says what the columns mean; without one they are generic numbers.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="importer", metavar="NAME", required=True)
    manifest = kinds.add_parser(
        "manifest",
        help="arrays (npy, npz, safetensors) named by a jsonl or csv index: the road for own data",
        description=MANIFEST_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    manifest.add_argument("--index", required=True, type=Path, help="jsonl or csv file")
    manifest.add_argument("--out", required=True, type=Path, help="new corpus folder")
    manifest.add_argument(
        "--layout", help="mediapipe_holistic, or a layout.json [the one beside the index]"
    )
    manifest.add_argument(
        "--missing",
        choices=("zeros", "nan", "none"),
        help="how a frame marks that a block was not detected [as layout.json says, else none]",
    )
    manifest.add_argument("--fps", type=float, help="frames per second, where rows do not say")
    synthetic = kinds.add_parser(
        "synthetic", help="a procedural signer over the MediaPipe Holistic layout"
    )
    synthetic.add_argument("--out", required=True, type=Path, help="new corpus folder")
    synthetic.add_argument("--num_train", type=int, default=400, help="sentences [400]")
    synthetic.add_argument(
        "--num_dev", type=int, default=60, help="sentences, unseen in train [60]"
    )
    synthetic.add_argument("--num_test", type=int, default=60, help="sentences, unseen too [60]")
    synthetic.add_argument("--num_signers", type=int, default=6, help="[6]")
    synthetic.add_argument("--seed", type=int, default=1, help="[1]")


def run(args: argparse.Namespace) -> int:
    from slr_accel.corpus.importers.manifest import prepare_manifest
    from slr_accel.corpus.importers.synthetic import prepare_synthetic

    if args.importer == "manifest":
        info = prepare_manifest(
            args.index,
            args.out,
            layout=args.layout,
            missing=args.missing,
            fps=args.fps,
            track=track,
        )
    else:
        info = prepare_synthetic(
            args.out,
            num_train=args.num_train,
            num_dev=args.num_dev,
            num_test=args.num_test,
            num_signers=args.num_signers,
            seed=args.seed,
            track=track,
        )
    splits = ", ".join(f"{count['sequences']} {name}" for name, count in info.splits.items())
    megabytes = sum(shard.bytes for shard in info.shards) / 1e6
    print(f"{args.out}: {splits} sequences, {info.dtype}, {megabytes:.1f} MB")
    print(f"look at it: slr-accel inspect {shlex.quote(str(args.out))}")
    return 0


def track(items: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Shows a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track as rich_track

    console: Any = Console(stderr=True)
    return rich_track(items, description, total, console=console, disable=not console.is_terminal)
