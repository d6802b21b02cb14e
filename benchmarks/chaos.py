"""Kills a run of two processes again and again, and checks that it ends as if undisturbed.

    python benchmarks/chaos.py --corpus corpora/boston104 --kills 20 --seed 0 [--recipe boston104]

The run ends in random order at random steps by SIGKILL of one process or of both, SIGTERM or
SIGUSR1 to one of them, SIGKILL while a checkpoint is written, SIGKILL or SIGUSR1 during a
validation, or a full disk. Each time the same command continues it. Then a run on 2, 1 and 2
processes is compared step by step. Exits with 1 where the ends differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import ACCELERATE, ROOT
from safetensors.numpy import load_file

from slr_accel.training.throughput import FIGURES

WAYS = ("one", "both", "SIGTERM", "SIGUSR1", "in a save", "in a validation", "disk full")
SAVE_STEPS, EVAL_STEPS = 3, 5
TOLERANCE = 1e-3
"""Largest relative difference of a step's loss after the number of processes changed."""


@dataclass
class Chaos:
    """A train command, and what its run folder shows."""

    settings: list[str]
    run: Path

    def start(self, processes: int = 2, file_limit: int | None = None) -> subprocess.Popen[bytes]:
        def full_disk() -> None:
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        config = "cpu_2proc" if processes > 1 else "cpu"
        return subprocess.Popen(
            [
                *ACCELERATE,
                *("--config_file", str(ROOT / f"accelerate_configs/{config}.yaml")),
                *("--main_process_port", "0", "-m", "slr_accel.train"),
                *(f"--output_dir={self.run}", *self.settings),
            ],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
            stdout=(self.run.with_suffix(".log")).open("wb"),
            stderr=subprocess.STDOUT,
            preexec_fn=full_disk,
        )

    def finish(self, processes: int = 2, further: tuple[str, ...] = ()) -> None:
        """Runs to the end. Raises RuntimeError where that fails."""
        complete = Chaos([*self.settings, *further], self.run).start(processes)
        if complete.wait(timeout=1800) != 0:
            raise RuntimeError(self.run.with_suffix(".log").read_text(errors="replace")[-3000:])

    @property
    def records(self) -> list[dict[str, Any]]:
        path = self.run / "metrics.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        found = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return [{k: v for k, v in r.items() if k not in FIGURES} for r in found]

    @property
    def starts(self) -> int:
        path = self.run / "environment.json"
        return len(json.loads(path.read_text())["starts"]) if path.exists() else 0

    @property
    def step(self) -> int:
        return max((record["step"] for record in self.records), default=0)

    @property
    def saved(self) -> int:
        """The step of the last valid checkpoint."""
        found = (self.run / "checkpoints").glob("step_????????/meta.json")
        return max((int(path.parent.name[5:]) for path in found), default=0)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        folder = self.run / "checkpoints" / f"step_{self.saved:08d}"
        return load_file(folder / "model.safetensors")

    def is_saving(self) -> bool:
        return any((self.run / "checkpoints").glob("*.tmp/*"))

    def is_validating(self) -> bool:
        records = self.records
        return bool(records) and records[-1]["step"] % EVAL_STEPS == 0 and "wer" not in records[-1]


def workers(launcher: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{launcher.pid}/task").glob("*/children")
    return [int(word) for path in children for word in path.read_text().split()]


def wait_until(condition: Callable[[], bool], launcher: subprocess.Popen[bytes]) -> bool:
    """Waits, and returns False where the launch ended first."""
    while not condition():
        if launcher.poll() is not None:
            return False
        time.sleep(0.002)
    return True


def disturb(chaos: Chaos, way: str, target: int, chance: random.Random) -> tuple[int | None, float]:
    """Starts the run and ends it in this way at step `target` or later.

    Returns:
        the exit code (None where the run was complete first), and the seconds from the signal to
        the end of the launch.
    """
    starts = chaos.starts
    launcher = chaos.start(file_limit=20_000 if way == "disk full" else None)
    # Before the start is recorded, the steps in metrics.jsonl are those of the start before.
    happened = wait_until(lambda: chaos.starts > starts, launcher) or way == "disk full"
    time.sleep(0.05)
    happened = way == "disk full" or (
        happened and wait_until(lambda: chaos.step >= target, launcher)
    )
    if way == "in a save":
        happened = happened and wait_until(chaos.is_saving, launcher)
    if way == "in a validation":
        happened = happened and wait_until(chaos.is_validating, launcher)
    struck = time.monotonic()
    if happened and way != "disk full":
        strike(launcher, way, chance)
    code = launcher.wait(timeout=600)
    return (code if happened else None), time.monotonic() - struck


def strike(launcher: subprocess.Popen[bytes], way: str, chance: random.Random) -> None:
    victims = workers(launcher)
    number = signal.SIGKILL
    if way in ("SIGTERM", "SIGUSR1"):
        number = signal.Signals[way]
    if way == "in a validation":
        number = chance.choice([signal.SIGKILL, signal.SIGUSR1])
    if way in ("one", "SIGTERM", "SIGUSR1") or number is signal.SIGUSR1:
        victims = [chance.choice(victims)] if victims else []
    for pid in victims:
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # it ended meanwhile
            continue


def kill_again_and_again(chaos: Chaos, kills: int, last_step: int, chance: random.Random) -> None:
    """Ends the run `kills` times, equally often in each way."""
    ways = [WAYS[i % len(WAYS)] for i in range(kills)]
    chance.shuffle(ways)
    print(f"{'kill':>4}  {'how':<16} {'from':>5} {'at':>5} {'saved':>5} {'exit':>5} {'seconds':>8}")
    for number, way in enumerate(ways, 1):
        resumed = chaos.saved
        # Small enough that the last kill comes before the end.
        reach = max(1, 2 * (last_step - resumed) // (kills - number + 2))
        target = min(resumed + chance.randint(1, reach), last_step - 1)
        code, seconds = disturb(chaos, way, target, chance)
        shown = "end" if code is None else str(code)
        print(
            f"{number:>4}  {way:<16} {resumed:>5} {chaos.step:>5} {chaos.saved:>5} {shown:>5} "
            f"{seconds:>8.1f}",
            flush=True,
        )
        if chaos.saved < resumed:
            raise RuntimeError(f"a checkpoint was lost: {resumed} before, {chaos.saved} now")


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def largest_difference(one: Chaos, other: Chaos) -> tuple[float, float]:
    """Returns the largest relative difference of the losses at the same steps, and for comparison
    the median one of neighbouring steps."""
    ours = {r["step"]: r["loss"] for r in one.records if "loss" in r}
    theirs = {r["step"]: r["loss"] for r in other.records if "loss" in r}
    assert ours.keys() == theirs.keys()
    losses = np.array([[ours[s], theirs[s]] for s in sorted(ours)])
    between = np.abs(losses[:, 0] - losses[:, 1]) / losses[:, 1]
    steps = np.abs(np.diff(losses[:, 1])) / losses[1:, 1]
    return float(between.max()), float(np.median(steps))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--recipe")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=60, help="optimizer steps of the run [60]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work_dir", type=Path, help="where the runs go [a temporary folder]")
    args, further = parser.parse_known_args()  # what follows are settings of train
    settings = [
        *(f"--data_dir={args.corpus}", f"--max_steps={args.steps}", "--log_steps=1"),
        *(f"--save_steps={SAVE_STEPS}", f"--eval_steps={EVAL_STEPS}", "--wandb_mode=disabled"),
        *([f"--recipe={args.recipe}"] if args.recipe else ["--micro_batches_per_step=2"]),
        *further,
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        calm, wild, mixed = (Chaos(settings, folder / n) for n in ("calm", "wild", "mixed"))
        calm.finish()
        kill_again_and_again(wild, args.kills, args.steps, random.Random(args.seed))
        wild.finish()
        equal = same(calm.weights, wild.weights) and calm.records == wild.records
        for processes, share in ((2, 1 / 3), (1, 2 / 3), (2, 1)):
            mixed.finish(processes, (f"--max_steps={round(args.steps * share)}",))
        apart, usual = largest_difference(mixed, calm)
        print(
            f"2 -> 1 -> 2 processes: losses differ by at most {apart:.1e} (neighbours {usual:.0%})"
        )
        print(f"same weights: {'yes' if equal else 'no'}")
        return 0 if equal and apart <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
