"""What does each part of a recipe bring? One thing changed at a time, several seeds.

    python benchmarks/ablation.py --data_dir corpora/wlasl50 --recipe wlasl50

Every line is the recipe with one change, trained and scored through the command line, one torch
thread a run. All but the line of two views learn from one, which takes less time. The WER is
that of the end of the run on the split `dev`, so nothing is chosen by what it is scored on; the
spread is the standard deviation over seeds. The difference is paired: the mean over seeds of
(this line - the recipe).

Finished runs stay in --output_dir: the same command again continues where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from loading import RESULTS, cpu_model

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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    text = "\n".join([heading(args), table(names, args.seeds, results)])
    print(text)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write("\n" + text)


def result_of(args: argparse.Namespace, name: str, seed: int) -> dict[str, float]:
    """WER and seconds of one run, which is made unless it was before."""
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


def slr_accel(*words: object) -> str:
    """What the command prints. Its errors are shown, and end the benchmark."""
    done = subprocess.run(
        [sys.executable, "-m", "slr_accel.cli", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"`slr-accel {' '.join(map(str, words))}` ended with {done.returncode}")
    return done.stdout


def heading(args: argparse.Namespace) -> str:
    tokens = dev_tokens(args.data_dir)
    return (
        f"## ablation, {date.today()}\n\n{cpu_model()}, {os.cpu_count()} cores; recipe "
        f"`{args.recipe}`{f', {args.epochs} epochs' if args.epochs else ''}, {args.seeds} seeds, "
        f"dev with {tokens} tokens; `benchmarks/ablation.py` says what is compared.\n"
    )


def dev_tokens(data_dir: Path) -> int:
    corpus = open_corpus(data_dir)
    return sum(len(corpus.labels(row)) for row in corpus.rows.of_split("dev"))


def table(names: list[str], seeds: int, results: dict[tuple[str, int], dict[str, float]]) -> str:
    lines = ["| changed | dev WER | spread | difference | time |", "|---|---|---|---|---|"]
    base = [results[names[0], seed] for seed in range(1, seeds + 1)]
    for name in names:
        changed = [results[name, seed] for seed in range(1, seeds + 1)]
        wers = [100 * run["wer"] for run in changed]
        gaps = [wer - 100 * run["wer"] for wer, run in zip(wers, base, strict=True)]
        times = [ours["seconds"] / run["seconds"] for ours, run in zip(changed, base, strict=True)]
        spread = statistics.stdev(wers) if seeds > 1 else 0.0
        lines.append(
            f"| {name} | {statistics.mean(wers):.1f} % | {spread:.1f} | "
            f"{statistics.mean(gaps):+.1f} | {statistics.median(times):.2f} x |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
