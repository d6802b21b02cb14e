"""Reads what `slr-accel evaluate` found for a run, without opening its model."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from statistics import median
from typing import Any

from slr_accel.models.find import WEIGHTS_FILE
from slr_accel.runs.run_folder import RunFolder
from slr_accel.scoring.scored import ScoredSequence
from slr_accel.scoring.wer import Counts
from slr_accel.settings.models.by_name import MODELS
from slr_accel.settings.run import defaults_of


@dataclass(frozen=True)
class RunResult:
    """The evaluation of a split by one run, and what made it."""

    name: str
    figures: dict[str, Any]
    """Those of `eval/<split>.json`."""
    sentences: dict[str, ScoredSequence]
    """By id; words before a protocol prepared them, counts after."""
    config: dict[str, Any]
    size: dict[str, Any]
    """What is recorded of `parameters`, `megabytes`, `training_frames_per_second`, `device`."""


def read_results(runs: list[str], split: str) -> list[RunResult]:
    """Reads the results of all runs.

    Raises:
        ValueError: says of which runs there is none, and which commands make them.
    """
    absent = [run for run in runs if not Path(run).exists()]
    if absent:
        raise ValueError(f"{absent[0]}: no such run")
    missing = [run for run in runs if not _files(run, split)[0].is_file()]
    if missing:
        commands = "\n".join(_command(run, split) for run in missing)
        raise ValueError(f"these have no result of the split {split!r} yet; make it:\n{commands}")
    names = [Path(run).resolve().name for run in runs]
    return [
        _read(run, split, name if names.count(name) == 1 else run)
        for run, name in zip(runs, names, strict=True)
    ]


def _files(run: str, split: str) -> tuple[Path, Path]:
    folder = Path(run) / "eval"
    return folder / f"{split}.json", folder / f"{split}.jsonl"


def _command(run: str, split: str) -> str:
    """The command that makes the results; a model without its run does not know its corpus."""
    words = f"  slr-accel evaluate {quote(run)} --split {split}"
    if RunFolder(Path(run)).exists:
        return words
    return f"{words} --data_dir CORPUS --output_dir {quote(str(Path(run) / 'eval'))}"


def _read(run: str, split: str, name: str) -> RunResult:
    path, lines = _files(run, split)
    try:
        figures = dict(json.loads(path.read_text(encoding="utf-8")))
        records = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        sentences = {record["id"]: _sentence(record) for record in records}
        float(figures["wer"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f"{path} and {lines.name} cannot be read ({error}); make them again:\n"
            + _command(run, split)
        ) from None
    folder = RunFolder(Path(run))
    return RunResult(name, figures, sentences, _config(folder), _size(folder))


def _sentence(record: dict[str, Any]) -> ScoredSequence:
    names = ("correct", "substitutions", "deletions", "insertions")
    counts = Counts(*(int(record[name]) for name in names))
    words = [str(word) for word in record["reference"]], [str(w) for w in record["hypothesis"]]
    return ScoredSequence(str(record["id"]), str(record["signer"]), *words, counts)


def _config(folder: RunFolder) -> dict[str, Any]:
    if not folder.exists:  # the results of a model folder
        return {}
    config = folder.config()
    # A setting that was added after the run had the effect of its default.
    return defaults_of(config["model"]) | config if config.get("model") in MODELS else config


def _size(folder: RunFolder) -> dict[str, Any]:
    """What the files of a run say; nothing of a file that is not there."""
    size: dict[str, Any] = {}
    places = [place / WEIGHTS_FILE for place in (folder.best, folder.path)]
    weights = next((path for path in places if path.is_file()), None)
    if weights is not None:
        size["parameters"] = _num_parameters(weights)
        size["megabytes"] = weights.stat().st_size / 1e6
    if folder.metrics.is_file():
        speeds = []
        for line in folder.metrics.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # a last line that is being written
                speeds.append(json.loads(line).get("frames_per_second"))
        speeds = [speed for speed in speeds if speed]
        if speeds:
            size["training_frames_per_second"] = median(speeds)
    with suppress(ValueError, LookupError, TypeError):
        size["device"] = folder.environment()["starts"][-1]["device"]
    return size


def _num_parameters(weights: Path) -> int:
    """Numbers in a safetensors file, from its head alone."""
    with weights.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    numbers = 0
    for name, tensor in head.items():
        if name != "__metadata__":
            own = 1
            for size in tensor["shape"]:
                own *= size
            numbers += own
    return numbers
