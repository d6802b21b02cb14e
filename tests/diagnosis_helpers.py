"""Makes histories of runs for the rules of health: real curves of others, and invented ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

Records = list[dict[str, Any]]

NAMES = {"train_loss": "loss", "dev_loss": "eval_loss", "step": "step", "epoch": "epoch"}
COUNTS = {"del": "deletions", "ins": "insertions", "sub": "substitutions"}
REFERENCES = 10_000


def read_curves(path: Path) -> dict[str, tuple[str, Records]]:
    """{run: (what became of it, its records)}"""
    runs = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {run["run"]: (run["outcome"], list(map(as_record, run["points"]))) for run in runs}


def as_record(point: dict[str, Any]) -> dict[str, Any]:
    """A point of a foreign curve as a line of metrics.jsonl."""
    made = {name: point[known] for known, name in NAMES.items() if known in point}
    if math.isfinite(point.get("wer", math.nan)):
        made["wer"] = point["wer"] / 100
    for known, name in COUNTS.items():
        if known in point:
            made |= {name: point[known] / 100 * REFERENCES, "reference_tokens": REFERENCES}
    return made


def place(record: dict[str, Any]) -> float:
    return record.get("step", record.get("epoch"))


def lines(count: int, every: int = 10, **figures: float | Callable[[int], float]) -> Records:
    """Lines of training metrics; a figure is a number, or a function of the step."""
    return [
        {"step": step}
        | {name: value(step) if callable(value) else value for name, value in figures.items()}
        for step in range(every, every * count + 1, every)
    ]


def with_validations(records: Records, every: int, **figures: Any) -> Records:
    """Puts a validation behind each training line at a multiple of `every`."""
    made = []
    for record in records:
        made.append(record)
        if record["step"] % every == 0:
            made += lines(1, record["step"], **figures)
    return made


def words(deletions: float, insertions: float = 0.0, substitutions: float = 0.0) -> dict[str, Any]:
    """WER and its counts, from shares of the reference tokens."""
    return {
        "wer": deletions + insertions + substitutions,
        "deletions": deletions * REFERENCES,
        "insertions": insertions * REFERENCES,
        "substitutions": substitutions * REFERENCES,
        "reference_tokens": REFERENCES,
    }
