"""Draws the course of an overfit test: loss, WER and gradient norm over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slr_accel.files import replaced

PANELS = (
    ("loss", "loss (nats a token)"),
    ("wer", "WER (in evaluation mode)"),
    ("grad_norm", "gradient norm before clipping"),
)


def draw_results(title: str, trials: Mapping[str, Sequence[dict[str, Any]]], path: Path) -> None:
    """Writes a PNG.

    Args:
        title: above the panels.
        trials: the records of metrics.jsonl by the name of the setting.
        path: where the picture goes.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    for axis, (name, text) in zip(figure.subplots(1, 3), PANELS, strict=True):
        for trial, metrics in trials.items():
            points = [(record["epoch"], record[name]) for record in metrics if name in record]
            if points:
                axis.plot(*zip(*points, strict=True), label=trial, linewidth=1.2, marker=".")
        axis.set_title(text, fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(fontsize=8)
        if name == "wer":
            axis.set_ylim(0, None)
            axis.yaxis.set_major_formatter(PercentFormatter(1))
        elif axis.lines:
            axis.set_yscale("log")
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=110)
