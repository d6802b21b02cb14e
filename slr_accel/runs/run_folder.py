"""The run folder: what belongs to a run, and when the same command may continue it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from slr_accel.corpus.format import CORPUS_FILE
from slr_accel.corpus.reader import Corpus
from slr_accel.files import nearest_existing, takes_links, write_whole
from slr_accel.models.location import VOCABULARY_FILE, find_model
from slr_accel.settings.recipes import read_yaml
from slr_accel.settings.run import Settings, defaults_of

CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
METRICS_FILE = "metrics.jsonl"
LAYOUT_FILE = "layout.json"
LOCK_FILE = ".lock"
STATISTICS_FILE = "statistics.safetensors"
NEEDED_FILES = (VOCABULARY_FILE, STATISTICS_FILE, ENVIRONMENT_FILE)
"""Written by a first start, before config.yaml."""
RUN_FILES = (
    *(*NEEDED_FILES, LAYOUT_FILE, METRICS_FILE),
    *("checkpoints", "best", "eval", "curves.png", "profile"),
)
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""What file systems of several machines answer that keep no locks."""
PACKAGES = ("slr-accel", "torch", "accelerate", "datasets", "safetensors", "numpy", "wandb")

MAY_CHANGE = {
    *("data_dir", "output_dir", "epochs", "max_steps", "early_stopping_patience"),
    *("save_steps", "keep_last", "log_steps", "mixed_precision"),
    *("wandb_mode", "wandb_project", "wandb_group"),
    *("keep_every", "save_total_gb", "async_save", "average_best", "profile"),
    *("accumulation_steps", "micro_batches_per_step", "cache_dir", "cache_gb"),
    "gradient_checkpointing",
}
"""Settings that may differ when a run is continued. The corpus is held to its content, not to its
path; the micro-batches of a step to what the first start made of them."""


@dataclass(frozen=True)
class RunFolder:
    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        return self.path / "best"

    @property
    def metrics(self) -> Path:
        return self.path / METRICS_FILE

    @property
    def statistics(self) -> Path:
        return self.path / STATISTICS_FILE

    @property
    def exists(self) -> bool:
        return (self.path / CONFIG_FILE).is_file()

    def config(self) -> dict[str, Any]:
        return read_yaml(self.path / CONFIG_FILE)

    def environment(self) -> dict[str, Any]:
        path = self.path / ENVIRONMENT_FILE
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: not readable ({error})") from None


def check_continues(run: RunFolder, settings: Settings, corpus: Corpus) -> None:
    """Raises ValueError naming all that differs from the run in this folder, or is missing."""
    if not os.access(run.path, os.W_OK | os.X_OK):
        raise ValueError(f"{run.path}: may not be written to, so its run cannot be continued")
    missing = [name for name in NEEDED_FILES if not (run.path / name).is_file()]
    if missing:
        raise ValueError(
            f"{run.path} holds a run without {' and '.join(missing)}; restore what was removed, or "
            "give another --output_dir to start anew"
        )
    now = settings.flat()
    # A setting that is newer than the run had its default's effect.
    before = defaults_of(settings.training.model) | run.config()
    problems = [
        f"{name}: {before[name]!r} then, {now[name]!r} now"
        for name in now
        if name not in MAY_CHANGE and before[name] != now[name]
        if name != "init_from" or _absolute(before[name]) != _absolute(now[name])
    ]
    changed = other_data(run, corpus)
    if changed is not None:
        problems.append(f"corpus: {changed}")
    if problems:
        raise ValueError(
            f"{run.path} holds a run of other settings or data:\n  "
            + "\n  ".join(problems)
            + "\ncontinue it with what it was started with, or give another --output_dir"
        )


def other_data(run: RunFolder, corpus: Corpus) -> str | None:
    """What is to be said where this is not the corpus of the run, or no longer."""
    fingerprint = run.environment()["corpus_fingerprint"]
    if fingerprint == corpus.info.fingerprint:
        return None
    return (
        f"{corpus.address} holds other data ({corpus.info.fingerprint}) than the run was started "
        f"on ({fingerprint})"
    )


def check_new_run(run: RunFolder, settings: Settings) -> None:
    """Raises ValueError where the folder holds what a run would overwrite, or the weights that
    the run is to start from are not there."""
    there = nearest_existing(run.path)
    if not there.is_dir():
        raise ValueError(f"{there}: is a file; give another --output_dir")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{there}: may not be written to; give another --output_dir")
    if not takes_links(there):
        raise ValueError(
            f"{there}: its file system has no symbolic links, and `best` is one; give an "
            "--output_dir on another"
        )
    # A start that was killed before config.yaml leaves the lock, and may simply be repeated.
    ours = (METRICS_FILE, "checkpoints") if (run.path / LOCK_FILE).exists() else RUN_FILES
    clashes = [name for name in (CORPUS_FILE, *ours) if (run.path / name).exists()]
    if clashes:
        raise ValueError(
            f"{run.path} holds {' and '.join(clashes)} but no {CONFIG_FILE}; "
            "give another --output_dir"
        )
    if settings.training.init_from is not None:
        find_model(settings.training.init_from)


def create_run(
    run: RunFolder, corpus: Corpus, *, micro_batches_per_step: int, mixed_precision: str
) -> None:
    """Writes what the first start fixes; `write_config` then makes the folder a run."""
    layout = corpus.layout.to_json()
    for block in layout["blocks"]:
        # So that a corpus prepared with this file reads absence as this one did.
        block["missing"] = corpus.info.source.get("missing", {}).get(block["name"], "none")
    _write_json(run.path / LAYOUT_FILE, layout)
    environment = {
        "corpus_fingerprint": corpus.info.fingerprint,
        "micro_batches_per_step": micro_batches_per_step,
        "mixed_precision": mixed_precision,
        "starts": [],
    }
    _write_json(run.path / ENVIRONMENT_FILE, environment)


def write_config(run: RunFolder, settings: Settings, corpus: Corpus) -> None:
    """config.yaml, anew at every start: some settings may change."""
    # Absolute, so that both are found from anywhere.
    values = settings.flat() | {
        "data_dir": corpus.absolute_address,
        "init_from": _absolute(settings.training.init_from),
    }
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    write_whole(run.path / CONFIG_FILE, text)


def _absolute(init_from: str | None) -> str | None:
    """A folder, however it was written; an address as it is."""
    if init_from is None or "://" in init_from:
        return init_from
    return str(Path(init_from).absolute())


@contextmanager
def locked(run: RunFolder) -> Iterator[None]:
    """Holds the run folder for one training; one that did not become a run leaves nothing.

    Raises:
        ValueError: another training holds it.
    """
    is_new = not run.path.exists()
    run.path.mkdir(parents=True, exist_ok=True)
    with (run.path / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{run.path}: is being trained by another process; wait for it, or end it"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            print(
                f"warning: {run.path}: cannot be locked ({error.strerror}); see to it that no "
                "other command trains it",
                file=sys.stderr,
            )
        try:
            yield
        finally:
            if is_new and not run.exists:
                for name in (*NEEDED_FILES, LAYOUT_FILE, LOCK_FILE):
                    (run.path / name).unlink(missing_ok=True)
                with suppress(OSError):  # somebody has put more there
                    run.path.rmdir()


def record_start(run: RunFolder, *, step: int, device: str, world_size: int) -> None:
    """Adds to environment.json where and with what the run goes on from `step`."""
    environment = run.environment()
    environment["starts"].append(
        {
            "step": step,
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "commit": _commit(),
            "python": platform.python_version(),
            "versions": {package: version(package) for package in PACKAGES},
            "host": platform.node(),
            "device": device,
            "world_size": world_size,
        }
    )
    _write_json(run.path / ENVIRONMENT_FILE, environment)


def record_batch_frames(run: RunFolder, batch_frames: int) -> None:
    """Fixes what --batch_frames auto found, so that the plan is the same after a resume."""
    _write_json(run.path / ENVIRONMENT_FILE, {**run.environment(), "batch_frames": batch_frames})


def _write_json(path: Path, data: dict[str, Any]) -> None:
    write_whole(path, json.dumps(data, indent=1) + "\n")


def _commit() -> str | None:
    """The commit of the source tree, where slr_accel runs from one."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
