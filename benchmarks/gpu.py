"""Measures training on GPUs: run it once on a machine that has some.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --device cpu --tiny

Student, teacher and cosign train for some steps on a random corpus with the shape of PHOENIX-2014T
(7,096 sentences of 116 frames on average, 1,085 glosses) in landmarks of MediaPipe Holistic: in
fp32, in bf16, and compiled in bf16, on one GPU and on all of them. Each is a process of its own,
started as a user starts it. The table has, after a warm-up:

frames/s    of all GPUs, padding left out
waiting     share of the time in which steps waited for batches
launches    kernels that a step launches (of one process)
memory      largest allocation of one process
epoch       time of an epoch of the whole corpus at this speed

A profile of the last step of each is written beside the table. On one H200 it should take less than
ten minutes; `--models student` and `--ways bf16` make it shorter.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import ACCELERATE, ROOT, at_least, make_parser, record, table
from torch.profiler import profile

from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.run import build_settings
from slr_accel.training.setup import set_up
from slr_accel.training.trainer import Trainer

MODELS = ("student", "teacher", "cosign")
WAYS: dict[str, dict[str, Any]] = {
    "fp32": {"mixed_precision": "no"},
    "bf16": {"mixed_precision": "bf16"},
    "compiled": {"mixed_precision": "bf16", "compile": True},
}
SENTENCES, MEAN_FRAMES, LONGEST, GLOSSES, WORDS = 7096, 116, 299, 1085, 8
"""Of PHOENIX-2014T: train sentences, mean and most frames, glosses, mean labels of a sentence."""
CONFIGS = ROOT / "accelerate_configs"
COLUMNS = ("model", "way", "processes", "frames/s", "waiting", "launches", "memory", "epoch")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="[%(default)s]")
    parser.add_argument("--tiny", action="store_true", help="few short sequences, to try it out")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--batch_size", type=at_least(1), default=16, help="[%(default)s]")
    parser.add_argument("--accumulation_steps", type=at_least(1), default=1, help="[%(default)s]")
    parser.add_argument("--steps", type=at_least(2), default=20, help="measured [%(default)s]")
    parser.add_argument("--warm_steps", type=at_least(1), default=10, help="[%(default)s]")
    parser.add_argument("--profiles", type=Path, default=Path("profiles"), help="[%(default)s]")
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(**args.measure)
        return
    gpus = torch.cuda.device_count() if args.device == "cuda" else 0
    if args.device == "cuda" and not gpus:
        sys.exit("no GPU found: try it out with --device cpu --tiny")
    with tempfile.TemporaryDirectory(prefix="gpu-benchmark-") as name:
        folder = Path(name)
        make_corpus(folder / "corpus", tiny=args.tiny)
        rows = [
            run(args, folder, model, way, processes)
            for processes in sorted({1, gpus or 1})
            for model in args.models
            for way in args.ways
        ]
    device = torch.cuda.get_device_name() if gpus else "no GPU"
    record(
        "gpu",
        f"{device}, {gpus} GPU(s); batches of {args.batch_size}, {args.accumulation_steps} a step, "
        f"medians of {args.steps} steps" + (", tiny" if args.tiny else ""),
        table(COLUMNS, rows),
    )


def make_corpus(folder: Path, *, tiny: bool) -> None:
    """Writes random landmarks: twelve short sequences, or 640 with the lengths of PHOENIX-2014T."""
    random, layout = np.random.default_rng(0), mediapipe_holistic()
    count, mean, longest = (12, 20, 30) if tiny else (640, MEAN_FRAMES, LONGEST)
    lengths = random.lognormal(np.log(mean) - 0.1, 0.45, count).clip(16, longest).astype(int)
    usual = random.normal(0, 1, (longest, layout.columns)).astype(np.float16)

    def sequence(number: int, frames: int) -> Sequence:
        labels = [
            f"G{n}" for n in random.integers(0, GLOSSES, max(1, WORDS * frames // MEAN_FRAMES))
        ]
        presence = np.ones((frames, len(layout.blocks)), bool)
        split = "dev" if number % 10 == 0 else "train"
        return Sequence(f"s{number}", split, "anna", usual[:frames], presence, labels)

    made = (sequence(number, int(frames)) for number, frames in enumerate(lengths))
    write_corpus(folder, made, layout=layout, dtype="float16", frames_per_second=25.0, source={})


def run(
    args: argparse.Namespace, folder: Path, model: str, way: str, processes: int
) -> list[object]:
    """Measures one way in processes of its own; returns its row of the table."""
    name = f"{model}_{way}_{processes}"
    task = {
        "corpus": str(folder / "corpus"),
        "run": str(folder / name),
        "result": str(folder / f"{name}.json"),
        "profile": str(args.profiles / f"{name}.txt"),
        "settings": {
            **WAYS[way],
            "model": model,
            "batch_size": 2 if args.tiny else args.batch_size,
            "accumulation_steps": args.accumulation_steps,
        },
        "warm_steps": 1 if args.tiny else args.warm_steps,
        "steps": 2 if args.tiny else args.steps,
    }
    launcher = [sys.executable]
    if processes > 1:
        launcher = [*ACCELERATE, "--config_file", str(CONFIGS / "multi_gpu.yaml")]
        launcher += ["--num_processes", str(processes), "--mixed_precision", "no"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": str(args.device == "cpu").lower()}
    args.profiles.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*launcher, __file__, "--measure", json.dumps(task)], env=environment, check=False
    )
    if done.returncode:
        return [model, way, processes, "failed", *[""] * (len(COLUMNS) - 4)]
    found = json.loads((folder / f"{name}.json").read_text())
    return [
        *(model, way, processes, f"{found['frames_per_second']:,.0f}", f"{found['waiting']:.1%}"),
        *(found["launches"] or "", f"{found['memory'] / 1e9:.2f} GB"),
        f"{SENTENCES * MEAN_FRAMES / found['frames_per_second']:,.0f} s",
    ]


def measure(
    *,
    corpus: str,
    run: str,
    result: str,
    profile: str,
    settings: dict[str, Any],
    warm_steps: int,
    steps: int,
) -> None:
    """Trains some steps, on this process and its peers, and writes the figures of the first."""
    values = {"data_dir": corpus, "output_dir": run, "wandb_mode": "disabled", "epochs": 1000}
    built = build_settings({**values, **settings, "log_steps": 10**6})
    with set_up(built, open_corpus(corpus), RunFolder(Path(run))) as trainer:
        seconds, waited, frames = [], [], []
        for work in works(trainer, warm_steps + steps):
            start = time.perf_counter()
            trainer.step(work, stop_requested=False)
            wait_for(trainer.accelerator.device)
            seconds.append(time.perf_counter() - start + work.wait_seconds)
            waited.append(work.wait_seconds)
            frames.append(work.num_frames)
        memory = peak_memory(trainer.accelerator.device)
        launches, text = profiled(trainer)
        if trainer.accelerator.is_main_process:
            Path(profile).write_text(text + "\n")
            per_second = [f / s for f, s in zip(frames, seconds, strict=True)][warm_steps:]
            found = {
                "frames_per_second": statistics.median(per_second),
                "waiting": sum(waited[warm_steps:]) / sum(seconds[warm_steps:]),
                "launches": launches,
                "memory": memory,
            }
            Path(result).write_text(json.dumps(found))


def works(trainer: Trainer, count: int) -> Any:
    """Yields the works of `count` steps, over as many epochs as they take."""
    left = count
    while left:
        for work in islice(trainer.rest_of_epoch(), left):
            yield work
            left -= 1


def profiled(trainer: Trainer) -> tuple[int, str]:
    """Takes one more step; returns the kernels that it launched, and where its time went."""
    (work,) = works(trainer, 1)
    with profile() as recorded:
        trainer.step(work, stop_requested=False)
        wait_for(trainer.accelerator.device)
    means = recorded.key_averages()
    launches = sum(e.count for e in means if "LaunchKernel" in e.key)
    by = "self_cuda_time_total" if launches else "self_cpu_time_total"
    return launches, means.table(sort_by=by, row_limit=40)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_memory(device: torch.device) -> int:
    """Bytes: tensors on a GPU, the process's largest resident set on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
