"""Keeps the figures of a run in the order of its records, ready for the rules of `states`.

A record is a line of metrics.jsonl: a dict with `step` or `epoch` and any figures. The records of
other trainers have fewer figures, in other units; so a rule asks for what it needs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

FALL = 0.02
"""Relative fall of a median below which a figure counts as flat."""
FIRST_LINES = 3
"""Lines whose median is the first value of a figure."""


@dataclass
class Series:
    """The finite values of one figure, and the index of the record that each came in."""

    at: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def last(self, count: int) -> list[float]:
        """The last `count` values; empty where there are fewer."""
        return self.values[-count:] if len(self.values) >= count else []

    @property
    def first(self) -> float:
        """The median of the first few values, which one odd value does not move."""
        return median(self.values[:FIRST_LINES])

    def before(self, index: int) -> float | None:
        """The last value in a record up to `index`."""
        place = bisect_right(self.at, index)
        return self.values[place - 1] if place else None


NOTHING = Series()


class History:
    """The records of a run so far. `add` takes the next one in constant time.

    Args:
        total: steps of the whole run (epochs where records have no step); None: unknown.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]] = (), total: float | None = None):
        self.total = total
        self.validations: list[Mapping[str, float]] = []
        """The finite figures of the records that have a WER."""
        self.num_records = 0
        self.not_finite: tuple[int, str] | None = None
        """(index of the record, name) of the last figure that was not a finite number."""
        self._series: dict[str, Series] = {}
        self._unit, self._position = "step", 0.0
        self._positions: list[float] = []
        self._start: float | None = None
        for record in records:
            self.add(record)

    def add(self, record: Mapping[str, Any]) -> None:
        """Takes the next record; figures that are not numbers are left out."""
        self._unit = "step" if "step" in record else "epoch"
        position = float(record.get("step", record.get("epoch", 0)))
        if self._start is None and position > self._position and self.num_records:
            interval = position - self._position
            self._start = max(0.0, self._position - interval)
        self._position = position
        self._positions.append(position)
        figures = {}
        for name, value in record.items():
            if not isinstance(value, int | float):
                continue
            if math.isfinite(value):
                figures[name] = float(value)
                series = self._series.setdefault(name, Series())
                series.at.append(self.num_records)
                series.values.append(float(value))
            elif "loss" in name or name.startswith("grad_norm"):
                self.not_finite = (self.num_records, name)
        if "wer" in figures:
            self.validations.append(figures)
        self.num_records += 1

    def __getitem__(self, name: str) -> Series:
        return self._series.get(name, NOTHING)

    @property
    def where(self) -> str:
        """The place in the run, e.g. `step 600`."""
        return f"{self._unit} {self._position:,.0f}"

    @property
    def position(self) -> float:
        """The step of the last record, or its epoch where it has no step."""
        return self._position

    @property
    def share(self) -> float | None:
        """Share of the run that is over; None where its length or begin is unknown.

        Of a log that begins late, as that of a resumed run may, only the rest of the run counts.
        """
        return self._share(self._position)

    def _share(self, position: float) -> float | None:
        if not self.total or self._start is None or self.total <= self._start:
            return None
        return (position - self._start) / (self.total - self._start)

    def at_share(self, name: str, share: float) -> float | None:
        """The first value of a figure at or after a share of the run."""
        series = self[name]
        for index, value in zip(series.at, series.values, strict=True):
            if (self._share(self._positions[index]) or 0.0) >= share:
                return value
        return None

    @property
    def few_steps(self) -> int | None:
        """Optimizer steps of the whole run where they are few; else None."""
        if self.total and self._unit == "step" and self.total < 1000:
            return int(self.total)
        return None

    @property
    def best_wer(self) -> float | None:
        """A fraction; None before the first validation."""
        return min(self["wer"].values, default=None)


def is_flat(values: Sequence[float]) -> bool:
    """Whether the second half's median is no lower than the first half's, but for 2 %.

    True of an empty sequence: a figure that is not recorded contradicts nothing.
    """
    if not values:
        return True
    middle = len(values) // 2
    return median(values[middle:]) > (1 - FALL) * median(values[:middle])


def share_of_references(figures: Mapping[str, float], name: str) -> float | None:
    """Deletions, insertions or substitutions of a validation over its reference tokens.

    None where they were not recorded.
    """
    count, references = figures.get(name), figures.get("reference_tokens")
    return count / references if count is not None and references else None
