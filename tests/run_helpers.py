"""A tiny corpus and the train command as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.layouts.layout import Block, Layout

TIMES = {
    *("frames_per_second", "sequences_per_second"),
    *("padding_share", "data_wait_share", "peak_memory_gb"),
}
"""What differs between equal runs."""
SMALL = {
    "epochs": 3,
    "batch_size": 2,
    "channels": 16,
    "lstm_hidden": 16,
    "lstm_layers": 1,
    "log_steps": 1,
    "learning_rate": 0.01,
    "wandb_mode": "disabled",
}


def tiny_sequences(count: int, seed: int = 0) -> list[Sequence]:
    """Words are places of the right hand; sequences of different lengths, some frames absent."""
    random = np.random.default_rng(seed)
    words = {"A": (0.0, 0.5), "B": (0.5, 0.0), "C": (-0.5, 0.2), "D": (0.3, -0.6)}
    sequences = []
    for i in range(count):
        # No word twice: held twice as long, it would look the same.
        labels = random.permutation(list(words))[: random.integers(1, 4)].tolist()
        lengths = random.integers(6, 14, len(labels))
        frames = np.repeat([words[w] for w in labels], lengths, axis=0)
        hand = frames + random.normal(0, 0.03, frames.shape)
        left = np.zeros_like(hand)
        presence = np.ones((len(hand), 2), bool)
        presence[:, 0] = False
        presence[random.integers(0, len(hand)), 1] = False
        features = np.concatenate([left, hand], axis=1).astype(np.float32)
        features[~presence[:, 1], 2:] = 0
        split = "train" if i % 4 else "dev"
        sequences.append(Sequence(f"s{i:03d}", split, f"signer{i % 2}", features, presence, labels))
    return sequences


TINY_LAYOUT = Layout(
    (Block("left_hand", ("centre",), ("x", "y")), Block("right_hand", ("centre",), ("x", "y")))
)


def write_tiny(folder: Path, sequences: list[Sequence], **options: int) -> Path:
    """A corpus of the tiny layout."""
    write_corpus(
        folder,
        sequences,
        layout=TINY_LAYOUT,
        dtype="float32",
        frames_per_second=25.0,
        source={},
        **options,
    )
    return folder


class TrainCommand:
    """Starts `python -m slr_accel.train`, or `accelerate launch` for several processes."""

    def __init__(self, corpus: Path | str) -> None:
        self.corpus = corpus

    def start(
        self,
        run: Path,
        *,
        processes: int = 1,
        config: Path | str = "cpu_2proc",
        launch: tuple[str, ...] = (),
        program: tuple[str, ...] = ("-m", "slr_accel.train"),
        preexec: Callable[[], None] | None = None,
        **changed: Any,
    ) -> subprocess.Popen[str]:
        """`config` (of accelerate_configs, or a path) and `launch` are for several processes;
        `program` with its own arguments stands in for the train command."""
        settings = {"recipe": "none", "data_dir": self.corpus, "output_dir": run}
        settings |= {**SMALL, **changed}
        words = [f"--{name}={value}" for name, value in settings.items() if value is not None]
        launcher = [sys.executable, *program]
        if processes > 1:
            launcher = [
                *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"),
                *("--config_file", str(Path("accelerate_configs", f"{config}.yaml"))),
                *("--num_processes", str(processes), "--main_process_port", "0"),
                *("--mixed_precision", "no"),
                *launch,
                *program,
            ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [*launcher, *words],
            cwd=Path(__file__).parents[1],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=preexec,
        )

    def run(self, run: Path, *, expect: int = 0, **options: Any) -> str:
        """Runs to the end and returns what was printed."""
        process = self.start(run, **options)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == expect, output
        return output


def kill(process: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> str:
    """Signals the process group; returns what was printed."""
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    return output


def workers(launcher: subprocess.Popen[str]) -> list[int]:
    """The processes that `accelerate launch` started."""
    children = Path(f"/proc/{launcher.pid}/task").glob("*/children")
    return [int(word) for path in children for word in path.read_text().split()]


def metrics(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without the times."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


def last_weights(run: Path) -> dict[str, np.ndarray]:
    folder = max((run / "checkpoints").glob("step_????????"))
    return load_file(folder / "model.safetensors")


def assert_same_run(run: Path, other: Path) -> None:
    assert metrics(run) == metrics(other)
    ours, theirs = last_weights(run), last_weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def wait_for(condition, process, seconds: float = 60) -> bool:
    """False if the process ended first."""
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.001)
    return True


def lines(run: Path) -> int:
    path = run / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0
