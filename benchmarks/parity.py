"""Checks that training steps are the same however they are spread over processes.

    python benchmarks/parity.py

Trains the same 20 optimizer steps of 4 micro-batches (AdamW, fp32, augmentation and dropout on) of
a synthetic corpus through the train command: on one process, on two with DDP, and on two with
DeepSpeed ZeRO 1, 2 and 3; "ZeRO-3, spread" spreads every weight, also the small ones that ZeRO-3
keeps whole by default. Prints the largest difference from one process in loss and in
gradient norm over the steps, and in the weights at the end. Exits 1 if a loss or gradient norm
differs by more than 1e-4.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import yaml
from measure import ACCELERATE, ROOT, at_least, make_parser, record, table
from safetensors.numpy import load_file

from slr_accel.importers.build import build_corpus
from slr_accel.importers.synthetic import list_synthetic
from slr_accel.progress import untracked

CONFIGS = ROOT / "accelerate_configs"
LARGEST = 1e-4
"""Largest difference in loss and gradient norm that counts as the same."""
SETTINGS = {
    "recipe": "none",
    "micro_batches_per_step": 4,
    "batch_size": 4,
    "channels": 64,
    "lstm_hidden": 64,
    "block_dropout": 0.1,
    "learning_rate": 1e-3,
    "epochs": 100,
    "eval_steps": 1000,
    "log_steps": 1,
    "wandb_mode": "disabled",
}


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--steps", type=at_least(1), default=20, help="optimizer steps [20]")
    parser.add_argument("--model", default="student", help="as of slr-accel train [student]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parity-benchmark-") as name:
        folder = Path(name)
        build_corpus(list_synthetic(64, 8, 0), folder / "corpus", track=untracked)
        ways = {
            "one process": None,
            "DDP": CONFIGS / "cpu_2proc.yaml",
            **{f"ZeRO-{n}": CONFIGS / f"deepspeed_zero{n}.yaml" for n in (1, 2, 3)},
            "ZeRO-3, spread": spread_config(folder),
        }
        runs = {}
        for way, config in ways.items():
            print(f"training: {way}", flush=True)
            runs[way] = folder / way
            settings = {**SETTINGS, "model": args.model, "max_steps": args.steps}
            train(runs[way], folder / "corpus", config, settings)
        rows, is_same = compare(runs)
    record(
        "parity",
        f"two CPU processes; accelerate {version('accelerate')}, deepspeed {version('deepspeed')}; "
        f"`{args.model}`, {args.steps} steps, largest difference from one process",
        table(("way", "loss", "gradient norm", "weights"), rows),
    )
    return 0 if is_same else 1


def spread_config(folder: Path) -> Path:
    """Writes deepspeed_zero3.yaml with weights of any size spread."""
    config = yaml.safe_load((CONFIGS / "deepspeed_zero3.yaml").read_text())
    del config["mixed_precision"]  # accelerate wants it in the other file
    keep = {f"stage3_{what}_persistence_threshold": 0 for what in ("param", "model")}
    deepspeed = {
        "zero_optimization": {"stage": 3, **keep},
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
    }
    (folder / "deepspeed.json").write_text(json.dumps(deepspeed))
    config["deepspeed_config"] = {"deepspeed_config_file": str(folder / "deepspeed.json")}
    (folder / "spread.yaml").write_text(yaml.safe_dump(config))
    return folder / "spread.yaml"


def train(run: Path, corpus: Path, config: Path | None, settings: dict[str, object]) -> None:
    """Trains on one process, or with an accelerate config on two."""
    launcher = [sys.executable]
    if config is not None:
        launcher = [*ACCELERATE, "--config_file", str(config), "--num_processes", "2"]
        launcher += ["--main_process_port", "0", "--mixed_precision", "no"]
    settings = {"data_dir": corpus, "output_dir": run, **settings}
    words = [f"--{name}={value}" for name, value in settings.items()]
    done = subprocess.run(
        [*launcher, "-m", "slr_accel.train", *words],
        cwd=ROOT,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\n{run.name} failed")


def compare(runs: dict[str, Path]) -> tuple[list[list[str]], bool]:
    """Returns the rows of the table, and whether all runs are the same."""
    rows = []
    first, *others = runs
    steps, weights = steps_of(runs[first]), weights_of(runs[first])
    is_same = True
    for way in others:
        theirs = steps_of(runs[way])
        loss, norm = (
            max(abs(mine[key] - its[key]) for mine, its in zip(steps, theirs, strict=True))
            for key in ("loss", "grad_norm")
        )
        is_same &= max(loss, norm) <= LARGEST
        other = weights_of(runs[way])
        weight = max(float(abs(other[name] - weights[name]).max()) for name in weights)
        rows.append([way, f"{loss:.1e}", f"{norm:.1e}", f"{weight:.1e}"])
    return rows, is_same


def steps_of(run: Path) -> list[dict[str, float]]:
    records = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [record for record in records if "loss" in record]


def weights_of(run: Path) -> dict[str, np.ndarray]:
    return load_file(max((run / "checkpoints").glob("step_*")) / "model.safetensors")


if __name__ == "__main__":
    sys.exit(main())
