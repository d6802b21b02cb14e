"""Builds the findings of the rules."""

from __future__ import annotations

from collections.abc import Callable

from slr_accel.diagnosis.cures import cure
from slr_accel.diagnosis.history import History
from slr_accel.findings import Finding, Severity
from slr_accel.settings.health import HealthSettings

Rule = Callable[[History, HealthSettings], Finding | None]
"""A state, or None where a run is not in it."""

COLLAPSES = (
    "uniform_output",
    "blank_collapse",
    "insertion_explosion",
    "constant_output",
    "non_finite",
)
"""States in which a run seldom recovers."""


def found(
    code: str, history: History, evidence: str, *, severity: Severity | None = None
) -> Finding:
    """A finding at the present place of a run: an error of a collapse, else a warning."""
    usual: Severity = "error" if code in COLLAPSES else "warning"
    return Finding(severity or usual, code, f"{history.where}: {evidence}.", cure(code, history))


def has_begun(history: History, thresholds: HealthSettings) -> bool:
    """Whether a validation was ever better than that of a run that has not begun to learn."""
    best = history.best_wer
    return best is not None and best < thresholds.unlearned_wer
