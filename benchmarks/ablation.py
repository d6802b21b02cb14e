"""Measures what each part of a recipe contributes: one change at a time, with several seeds.

    python benchmarks/ablation.py --data_dir corpora/wlasl50 --recipe wlasl50

Every line is the recipe with one change, trained and scored through the command line, with one
torch thread per run. Only the line of two views trains with the consistency loss, which takes
longer. The WER is that of the end of the run on the split `dev`, so no checkpoint is chosen by what
it is scored on; the spread is the standard deviation over seeds. The difference is paired: the mean
over seeds of (this line - the recipe).

Finished runs stay in --output_dir: the same command again continues.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import make_parser, record, slr_accel, table

from slr_accel.corpus.reader import open_corpus

Change = dict[str, str]

EVERYWHERE: Change = {"consistency_weight": "0"}

CHANGES: dict[str, Change] = {
    "the recipe, without two views": {},
    "output stride 2": {"output_stride": "2"},
    "output stride 1": {"output_stride": "1"},
    "output stride 1, transposed": {"output_stride": "1", "upsampling": "transposed"},
    "squeeze-and-excitation": {"squeeze_excitation": "true"},
    "normalisation by sequence": {"normalisation": "sequence"},
    "position alone": {"groups": "position"},
    "position, velocity, relative": {"groups": "position,velocity,relative"},
    "four groups": {"groups": "position,velocity,acceleration,relative"},
    "four groups, shape, distances": {
        "groups": "position,velocity,acceleration,relative,shape,distances"
    },
    "no auxiliary loss": {"auxiliary_weight": "0"},
    "two views": {"consistency_weight": "4"},
    "no cutting and joining": {"crop_probability": "0", "join_probability": "0"},
    "no augmentation in time": {"time_stretch": "1", "time_warp": "0"},
    "no augmentation in space": {
        **dict.fromkeys(("rotation", "zoom", "shear", "jitter"), "0"),
        **dict.fromkeys(("block_shift", "block_rotation"), "0"),
    },
    "nothing made absent": {"time_masks": "0", "block_dropout": "0"},
}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--epochs", type=int, help="fewer than the recipe has, to save time")
    parser.add_argument("--seeds", type=int, default=3, help="[3]")
    parser.add_argument(
        "--output_dir", type=Path, default=Path("runs/ablation"), help="[%(default)s]"
    )
    parser.add_argument("--workers", type=int, default=1, help="runs at a time [1]")
    parser.add_argument("--only", nargs="+", choices=CHANGES, help="these lines, and the recipe")
    args = parser.parse_args()
    names = [n for n in CHANGES if args.only is None or n in args.only or not CHANGES[n]]
    jobs = [(name, seed) for seed in range(1, args.seeds + 1) for name in names]
    with ThreadPoolExecutor(args.workers) as pool:
        results = dict(zip(jobs, pool.map(lambda job: result_of(args, *job), jobs), strict=True))
    corpus = open_corpus(args.data_dir)
    tokens = sum(len(corpus.labels(row)) for row in corpus.rows.of_split("dev"))
    record(
        "ablation",
        f"recipe `{args.recipe}`{f', {args.epochs} epochs' if args.epochs else ''}, {args.seeds} "
        f"seeds, dev with {tokens} tokens",
        table_of(names, args.seeds, results),
    )


def result_of(args: argparse.Namespace, name: str, seed: int) -> dict[str, float]:
    """Returns WER and seconds of one run, which is trained unless it has been before."""
    run = args.output_dir / f"{name.replace(' ', '_').replace(',', '')}-{seed}"
    kept = run / "ablation.json"
    if kept.is_file():
        return dict(json.loads(kept.read_text()))
    settings = {**EVERYWHERE, **CHANGES[name], "seed": str(seed), "wandb_mode": "disabled"}
    if args.epochs:
        settings["epochs"] = str(args.epochs)
    started = time.monotonic()
    slr_accel(
        "train",
        *("--recipe", args.recipe, "--data_dir", args.data_dir, "--output_dir", run),
        *(word for key, value in settings.items() for word in (f"--{key}", value)),
    )
    seconds = time.monotonic() - started
    printed = slr_accel("evaluate", run, "--checkpoint", "last", "--json")
    found = {"wer": json.loads(printed)["wer"], "seconds": seconds}
    kept.write_text(json.dumps(found))
    print(f"{run.name}: {found['wer']:.1%} in {seconds:.0f} s", file=sys.stderr, flush=True)
    return found


def table_of(names: list[str], seeds: int, results: dict[tuple[str, int], dict[str, float]]) -> str:
    base = [results[names[0], seed] for seed in range(1, seeds + 1)]
    rows = []
    for name in names:
        changed = [results[name, seed] for seed in range(1, seeds + 1)]
        wers = [100 * run["wer"] for run in changed]
        gaps = [wer - 100 * run["wer"] for wer, run in zip(wers, base, strict=True)]
        times = [ours["seconds"] / run["seconds"] for ours, run in zip(changed, base, strict=True)]
        spread = statistics.stdev(wers) if seeds > 1 else 0.0
        rows.append(
            [
                *(name, f"{statistics.mean(wers):.1f} %", f"{spread:.1f}"),
                *(f"{statistics.mean(gaps):+.1f}", f"{statistics.median(times):.2f} x"),
            ]
        )
    return table(("changed", "dev WER", "spread", "difference", "time"), rows)


if __name__ == "__main__":
    main()
