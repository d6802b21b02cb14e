"""Describes the folder of a run, and checks whether a command may start or continue a run there."""

from __future__ import annotations

import errno
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
from filelock import FileLock, Timeout

from slr_accel.corpus.format import CORPUS_FILE
from slr_accel.corpus.reader import Corpus
from slr_accel.files import nearest_existing, takes_links, write_whole
from slr_accel.models.find import LAYOUT_FILE, VOCABULARY_FILE, find_model
from slr_accel.settings.group import may_change
from slr_accel.settings.recipes import read_yaml
from slr_accel.settings.run import Settings, defaults_of, setting_fields

META_FILE = "meta.json"
"""Marks a checkpoint as valid."""
CONFIG_FILE = "config.yaml"
DECODING_FILE = "decoding.yaml"
ENVIRONMENT_FILE = "environment.json"
METRICS_FILE = "metrics.jsonl"
LOCK_FILE = ".lock"
STATISTICS_FILE = "statistics.safetensors"
NEEDED_FILES = (VOCABULARY_FILE, STATISTICS_FILE, ENVIRONMENT_FILE)
"""The first start of a run writes these before config.yaml."""
RUN_FILES = (
    *(*NEEDED_FILES, LAYOUT_FILE, METRICS_FILE),
    *("checkpoints", "best", "eval", "curves.png", "profile"),
)
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""Errors of network file systems that support no locks."""
PACKAGES = ("slr-accel", "torch", "accelerate", "datasets", "safetensors", "numpy", "wandb")


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

    @property
    def has_checkpoint(self) -> bool:
        """Whether something was trained: only then are its settings and its data fixed."""
        return self.exists and any(self.checkpoints.glob(f"step_????????/{META_FILE}"))

    def config(self) -> dict[str, Any]:
        return read_yaml(self.path / CONFIG_FILE)

    def decoding(self) -> dict[str, Any]:
        """The decoding settings that `evaluate --tune` has chosen; none before."""
        path = self.path / DECODING_FILE
        return read_yaml(path) if path.is_file() else {}

    def write_decoding(self, values: dict[str, Any]) -> None:
        write_whole(self.path / DECODING_FILE, yaml.safe_dump(values, sort_keys=False))

    def environment(self) -> dict[str, Any]:
        path = self.path / ENVIRONMENT_FILE
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: not readable ({error})") from None


def check_continues(run: RunFolder, settings: Settings, corpus: Corpus) -> None:
    """Checks that the run in this folder can go on with these settings and this corpus.

    A setting that is marked as MayChange may differ; while there is no checkpoint, all may. Of the
    corpus the content counts, not the path; training.setup checks the number of micro-batches in a
    step.

    Raises:
        ValueError: names everything that differs or is missing.
    """
    if not os.access(run.path, os.W_OK | os.X_OK):
        raise ValueError(f"{run.path}: you may not write here, so this run cannot be continued")
    if not run.has_checkpoint:
        return
    missing = [name for name in NEEDED_FILES if not (run.path / name).is_file()]
    if missing:
        raise ValueError(
            f"{run.path} holds a run without {' and '.join(missing)}; restore what was removed, or "
            "give another --output_dir to start anew"
        )
    now = settings.flat() | {"init_from": _absolute(settings.training.init_from)}
    # A setting that was added after the run began had the effect of its default.
    before = defaults_of(settings.training.model) | run.config()
    problems = [
        f"{name}: {before[name]!r} then, {now[name]!r} now"
        for name, field in setting_fields(settings.training.model).items()
        if before[name] != now[name] and not may_change(field)
    ]
    if changed := other_data(run, corpus):
        problems.append(f"corpus: {changed}")
    if problems:
        raise ValueError(
            f"{run.path} holds a run of other settings or data:\n  "
            + "\n  ".join(problems)
            + "\ncontinue it with what it was started with, or give another --output_dir"
        )


def other_data(run: RunFolder, corpus: Corpus) -> str | None:
    """Says that this corpus has other content than the one trained on; None where it has not."""
    fingerprint = run.environment()["corpus_fingerprint"]
    if fingerprint == corpus.info.fingerprint:
        return None
    return (
        f"{corpus.address} holds other data ({corpus.info.fingerprint}) than the run was started "
        f"on ({fingerprint})"
    )


def read_missing(path: Path) -> dict[str, str]:
    """How each block of a run's layout.json marks its absence."""
    blocks = json.loads(path.read_text(encoding="utf-8"))["blocks"]
    return {block["name"]: block.get("missing", "none") for block in blocks}


def check_new_run(run: RunFolder, settings: Settings) -> None:
    """Checks that a run can start in this folder.

    Raises:
        ValueError: the folder cannot be written to or holds files that a run would overwrite, or
            the weights to start from (init_from) or a teacher do not exist.
    """
    there = nearest_existing(run.path)
    if not there.is_dir():
        raise ValueError(f"{there}: is a file; give another --output_dir")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{there}: you may not write here; give another --output_dir")
    if not takes_links(there):
        raise ValueError(
            f"{there}: its file system has no symbolic links, and a run needs one (`best`); give "
            "an --output_dir on another file system"
        )
    # A start that was killed before it wrote config.yaml leaves the lock; it may be repeated.
    ours = (METRICS_FILE, "checkpoints") if (run.path / LOCK_FILE).exists() else RUN_FILES
    if clashes := [name for name in (CORPUS_FILE, *ours) if (run.path / name).exists()]:
        raise ValueError(
            f"{run.path} holds {' and '.join(clashes)} but no {CONFIG_FILE}; "
            "give another --output_dir"
        )
    for source in (settings.training.init_from, *settings.distillation.teacher):
        if source is not None:
            find_model(source)


def create_run(
    run: RunFolder, corpus: Corpus, *, micro_batches_per_step: int, mixed_precision: str
) -> None:
    """Writes what stays fixed from the first start on; `write_config` makes the folder a run."""
    _write_json(run.path / LAYOUT_FILE, _layout_of_recordings(corpus))
    environment = {
        "corpus_fingerprint": corpus.info.fingerprint,
        "micro_batches_per_step": micro_batches_per_step,
        "mixed_precision": mixed_precision,
        "starts": run.environment()["starts"] if run.exists else [],
    }
    _write_json(run.path / ENVIRONMENT_FILE, environment)


def _layout_of_recordings(corpus: Corpus) -> dict[str, Any]:
    """The layout, such that arrays which are read with it become what the corpus holds.

    Importers that know what was detected store zeros where it was not, and say nothing of it.
    """
    layout, source = corpus.layout.to_json(), corpus.info.source
    for block, own in zip(layout["blocks"], corpus.layout.blocks, strict=True):
        unsaid = "zeros" if own.coordinates and "missing" not in source else "none"
        block["missing"] = source.get("missing", {}).get(own.name, unsaid)
    sizes = list(source.get("frame_sizes") or ())
    if len(sizes) == 1:
        layout["frame_size"] = [float(side) for side in sizes[0].split("x")]
    if source.get("block_order", list(corpus.layout.slices)) != list(corpus.layout.slices):
        layout["block_order"] = source["block_order"]
    return layout


def write_config(run: RunFolder, settings: Settings, corpus: Corpus) -> None:
    """Writes config.yaml, at every start since some settings may change; with absolute paths."""
    values = settings.flat() | {
        "data_dir": corpus.absolute_address,
        "init_from": _absolute(settings.training.init_from),
    }
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    write_whole(run.path / CONFIG_FILE, text)


def _absolute(init_from: str | None) -> str | None:
    """The absolute path of a folder; an address as it is."""
    if init_from is None or "://" in init_from:
        return init_from
    return str(Path(init_from).absolute())


@contextmanager
def locked(run: RunFolder) -> Iterator[None]:
    """Keeps other trainings out of the folder. Removes a folder that did not become a run.

    Where the file system supports no locks, it warns.

    Raises:
        ValueError: another process is training this run.
    """
    is_new = not run.path.exists()
    run.path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run.path / LOCK_FILE, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{run.path}: another process is training this run; wait for it, or stop it"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        print(
            f"warning: {run.path}: cannot be locked ({error.strerror}); make sure that no other "
            "command trains this run",
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
        lock.release()


def record_start(run: RunFolder, *, step: int, device: str, world_size: int) -> None:
    """Adds this start to environment.json: its step, versions and machine."""
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
    """Stores what --batch_frames auto found, so that the plan is the same after a resume."""
    _write_json(run.path / ENVIRONMENT_FILE, {**run.environment(), "batch_frames": batch_frames})


def _write_json(path: Path, data: dict[str, Any]) -> None:
    write_whole(path, json.dumps(data, indent=1) + "\n")


def _commit() -> str | None:
    """The commit of the source tree; None where slr_accel was installed without one."""
    words = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
