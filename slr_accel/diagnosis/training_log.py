"""Reads the metrics of a run, also of one that still trains, and what they say of its progress."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from slr_accel.diagnosis.forecast import forecast
from slr_accel.diagnosis.milestones import expected
from slr_accel.diagnosis.states import findings
from slr_accel.findings import Finding
from slr_accel.settings.health import HealthSettings

CURVES = (
    ("loss", "Loss, nats a word", {"loss": "train", "eval_loss": "validation"}),
    ("wer", "WER", {"wer": "validation"}),
    (
        "output",
        "Output: 1 is uniform / all blank",
        {
            "train_entropy": "entropy, train",
            "entropy": "entropy, validation",
            "blank_share": "blank steps, validation",
        },
    ),
    (
        "gradient",
        "Gradient norm before clipping",
        {
            "grad_norm": "all",
            "grad_norm_features": "first layers",
            "grad_norm_head": "head",
        },
    ),
)
"""(name, title, {figure: legend})"""
MOST_POINTS = 300
FEW_STEPS = 300
LEARNED = 0.5
"""WER, a fraction, below which few steps were enough to begin."""
SMALL_UPDATE = 1e-5
"""Update over weights in a step below which weights hardly move; 1e-3 is usual."""
LARGE_UPDATE = 0.02
"""Median update over weights above which weights jump about; healthy runs stay below 0.01."""
LARGE_MARGIN = 2.0
"""Nats that blank may be ahead by in the loss alone; 1 has helped, 8 made a model insert words."""
LINES = 3


def read_records(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl, read once; one that is being written is left out.

    Raises:
        ValueError: the file is missing or has no line of JSON.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not readable ({error})") from None
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError:
            if number == len(lines):
                continue
            raise ValueError(f"{path}, line {number}: no JSON; give a metrics.jsonl") from None
        if not isinstance(record, dict):
            raise ValueError(f"{path}, line {number}: no JSON object; give a metrics.jsonl")
        records.append(record)
    return records


def planned_steps(records: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> int | None:
    """Steps of all epochs, from those of the finished ones; --max_steps where not known yet.

    A trial with --max_steps is judged as the beginning of the whole run, as while it trained.
    """
    last = records[-1] if records else {}
    epoch, epochs = last.get("epoch"), config.get("epochs")
    if epoch and epochs and "step" in last:
        return round(last["step"] / epoch * epochs)
    return config.get("max_steps")


def curves(records: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The points of each curve that the records have: {name, title, series: [{label, points}]}."""
    found = []
    due = expected(_health(config).milestones, planned_steps(records, config) or 0)
    for name, title, figures in CURVES:
        series = []
        for figure, label in figures.items():
            points = [
                [record.get("step", record.get("epoch", 0)), record[figure]]
                for record in records
                if isinstance(record.get(figure), int | float) and math.isfinite(record[figure])
            ]
            if points:
                step = -(-len(points) // MOST_POINTS)
                series.append({"label": label, "points": points[::-step][::-1]})
        if series:
            if name in due:
                series.append({"label": "expected", "points": [list(p) for p in due[name]]})
            found.append({"name": name, "title": title, "series": series})
    return found


def progress_findings(
    records: Sequence[Mapping[str, Any]], config: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yields causes that the settings and the figures of the steps show."""
    updates = [r["update_ratio"] for r in records if math.isfinite(r.get("update_ratio", math.nan))]
    rate = max((r.get("learning_rate", 0.0) for r in records), default=0.0)
    if len(updates) >= LINES and max(updates) < SMALL_UPDATE:
        yield Finding(
            "error",
            "tiny_updates",
            f"The weights hardly move: a step changes them by {max(updates):.1g} of their size at "
            f"most, where about 1e-3 is usual. The learning rate was {rate:.1e} at most.",
            "Raise --learning_rate (1e-3 is a usual peak).",
        )
    losses = [r["loss"] for r in records if math.isfinite(r.get("loss", math.nan))]
    has_fallen = len(losses) > LINES and median(losses[-LINES:]) < 0.8 * median(losses[:LINES])
    if len(updates) >= LINES and median(updates) > LARGE_UPDATE and not has_fallen:
        yield Finding(
            "error",
            "large_updates",
            f"The weights jump about: a step changes them by {median(updates):.1%} of their size, "
            f"where about 0.1 % is usual, and the loss does not fall ({median(losses[:LINES]):.3g} "
            f"at first, {median(losses[-LINES:]):.3g} now). The learning rate was {rate:.1e} at "
            "most.",
            "Lower --learning_rate (1e-3 is a usual peak) and train anew.",
        )
    known = (planned_steps(records, config), config.get("max_steps"))
    total = min((steps for steps in known if steps), default=FEW_STEPS)
    has_begun = min((r["wer"] for r in records if "wer" in r), default=1.0) < LEARNED
    if total < FEW_STEPS and not has_begun:
        per_step = config.get("accumulation_steps") or config.get("micro_batches_per_step")
        joined = f", with {per_step} micro-batches in each" if (per_step or 1) > 1 else ""
        yield Finding(
            "error" if total < FEW_STEPS / 3 else "warning",
            "few_steps",
            f"The whole run takes {total} optimizer steps{joined}: CTC needs some hundreds before "
            "it says its first word.",
            "Lower --micro_batches_per_step (or --accumulation_steps) and --batch_size, or raise "
            "--epochs.",
        )
    dropout = config.get("dropout")
    if isinstance(dropout, int | float) and dropout >= 0.7:
        yield Finding(
            "warning",
            "high_dropout",
            f"The dropout is {dropout:g}: most of what a layer says is thrown away.",
            "Lower --dropout to 0.3 or less.",
            "likely",
        )
    margin = config.get("blank_margin")
    if isinstance(margin, int | float) and margin > LARGE_MARGIN:
        yield Finding(
            "warning",
            "large_blank_margin",
            f"The loss puts blank ahead by {margin:g} nats, and recognition does not: the model "
            "says words where it should say none.",
            "Set --blank_margin to 1 or less.",
            "likely",
        )


def age_findings(checkpoint: str, training: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Yields a note where the best checkpoint is from the first half of a run."""
    number = checkpoint.removeprefix("step_")
    if training is None or not training["step"] or not number.isdigit():
        return
    step, last = int(number), int(training["step"])
    if 2 * step <= last:
        yield Finding(
            "note",
            "old_checkpoint",
            f"The checkpoint examined is of step {step:,}; the run is at step {last:,} and has had "
            "no better WER since.",
            "`--checkpoint last` examines the present one.",
        )


def state_findings(
    records: Sequence[Mapping[str, Any]], config: Mapping[str, Any]
) -> list[Finding]:
    """The states that a run is in at the end of its records, by the thresholds of its settings."""
    return findings(records, _health(config), planned_steps(records, config))


def _health(config: Mapping[str, Any]) -> HealthSettings:
    own = {name: config[name] for name in HealthSettings.model_fields if name in config}
    return HealthSettings(**own)


def expected_wer(
    records: Sequence[Mapping[str, Any]], total: int | None
) -> dict[str, float] | None:
    """The WER expected at the end of a run, {wer, low, high}; None where it cannot be said."""
    found = None if total is None else forecast(records, total)
    return None if found is None else {"wer": found.wer, "low": found.low, "high": found.high}
