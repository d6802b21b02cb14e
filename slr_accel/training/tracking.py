"""Writes the figures of a run to metrics.jsonl, to curves.png and to the terminal."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from slr_accel.files import naming, replaced
from slr_accel.terminal import LastingOutput, Terminal

FIGURES = (
    ("loss", "loss", ".3f"),
    ("learning_rate", "lr", ".1e"),
    ("frames_per_second", "frames/s", ",.0f"),
    ("sequences_per_second", "sequences/s", ",.1f"),
    ("padding_share", "padding", ".0%"),
    ("data_wait_share", "waiting", ".0%"),
    ("peak_memory_gb", "peak GB", ".2f"),
    ("wer", "WER", ".1%"),
)
"""(name in a record, name shown, format) in a line's order."""
BESIDE_THE_BAR = ("wer", "loss", "learning_rate", "frames_per_second")
"""The last ones are left out where the line has no room for them."""
FEW_POINTS = 20
"""A curve of fewer points marks each: a single point would not be visible."""
BAR_WIDTH = 10
"""Least number of columns of the bar."""


class MetricsFile:
    """Appends a line of JSON for each record; `size` goes into checkpoints."""

    def __init__(self, path: Path, keep_bytes: int) -> None:
        """Cuts the file back to `keep_bytes`: later lines belong to steps that are taken again."""
        path.touch()
        os.truncate(path, min(keep_bytes, path.stat().st_size))
        self._path, self._file = path, path.open("a", encoding="utf-8")

    def write(self, record: dict[str, Any]) -> None:
        with naming(self._path):
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()

    @property
    def size(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        with naming(self._path):  # buffered lines are written once more
            self._file.close()


@dataclass(frozen=True)
class _WhatFits:
    """Texts on one line; those that do not fit at its end are left out as a whole."""

    texts: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = ""
        for text in self.texts:
            longer = f"{line}  {text}" if line else text
            if len(longer) > options.max_width:
                break
            line = longer
        yield Text(line)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(0, len("  ".join(self.texts)))


class _FiguresColumn(ProgressColumn):
    def render(self, task: Task) -> _WhatFits:
        return _WhatFits(task.fields["figures"])


class Display:
    """Shows a progress bar on a terminal and plain lines elsewhere.

    Args:
        total_steps, done: steps of the run, and those that were taken before.
        epochs, epoch: of the run, and the one that training begins in, counted from 1.
    """

    def __init__(self, total_steps: int, done: int, *, epochs: int, epoch: int) -> None:
        self.console = Terminal(file=LastingOutput())
        self._progress = Progress(
            TextColumn(f"epoch {{task.fields[epoch]}}/{epochs}"),
            BarColumn(None, table_column=Column(width=BAR_WIDTH, ratio=1)),
            TextColumn("{task.completed}/{task.total}"),
            # The other columns keep their width: where there is no room, figures are left out.
            _FiguresColumn(),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            console=self.console,
            disable=not self.console.is_terminal,
            expand=True,
        )
        self._task = self._progress.add_task(
            "", total=total_steps, completed=done, epoch=epoch, figures=()
        )
        self._started, self._first = time.monotonic(), done
        self._total = total_steps
        self._figures: dict[str, str] = {}

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def line(self, text: str) -> None:
        # Words wrap on a terminal; in a file a line stays a line.
        self.console.print(text, markup=False, soft_wrap=not self.console.is_terminal)

    def step(self, step: int, epoch: int) -> None:
        """Moves the bar; `epoch` counts from 1."""
        self._progress.update(self._task, completed=step, epoch=epoch)

    def figures(self, step: int, record: dict[str, Any]) -> None:
        """Shows a record of metrics: the most important beside the bar, or all as a line with the
        time left."""
        self._figures |= {
            name: f"{short} {record[name]:{spec}}"
            for name, short, spec in FIGURES
            if name in record
        }
        beside = [self._figures[name] for name in BESIDE_THE_BAR if name in self._figures]
        self._progress.update(self._task, figures=beside)
        if not self.console.is_terminal and "loss" in record:
            text = "  ".join(self._figures.values())
            self.line(f"step {step}/{self._total}  {text}  left {self._time_left(step)}")

    def _time_left(self, step: int) -> str:
        spent = time.monotonic() - self._started
        seconds = int(spent / max(1, step - self._first) * (self._total - step))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def draw_curves(
    metrics: list[dict[str, Any]],
    path: Path,
    expected: Mapping[str, Sequence[tuple[float, float]]],
) -> None:
    """Draws curves.png: loss of train and validation with all terms, WER, blank share and rate.

    Args:
        expected: points (step, value) of figures that the recipe expects.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    terms = sorted({name for record in metrics for name in record if name.startswith("loss_")})
    panels = (
        (("loss", "eval_loss", *terms), "loss (nats a token)"),
        (("wer",), "WER (validation)"),
        (("blank_share",), "share of blank steps (validation)"),
        (("learning_rate",), "learning rate"),
    )
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6), sharex=True, layout="constrained")
    for axis, (names, title) in zip(axes.flat, panels, strict=True):
        for name in names:
            _draw_curve(axis, metrics, name)
            if name in expected:
                axis.plot(*zip(*expected[name], strict=True), "k+", label="expected")
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
        if len(axis.lines) > 1:
            axis.legend(fontsize=8)
        if names[0] in ("wer", "blank_share"):
            axis.set_ylim(0, None)
            axis.yaxis.set_major_formatter(PercentFormatter(1))
    for axis in axes[1]:
        axis.set_xlabel("optimizer step")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)


CURVES = {"loss": "train, CTC", "eval_loss": "validation, CTC"}
"""Legends of the curves; a further loss term has its name."""


def _draw_curve(axis: Any, metrics: list[dict[str, Any]], name: str) -> None:
    points = [(record["step"], record[name]) for record in metrics if name in record]
    if points:
        axis.plot(
            *zip(*points, strict=True),
            label=CURVES.get(name) or name.removeprefix("loss_").replace("_", " "),
            linewidth=1.2,
            linestyle=":" if name.startswith("loss_") else "-",
            marker="." if len(points) < FEW_POINTS else None,
        )
