"""A finding: what a check found wrong in a corpus or a run, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst one first."""


@dataclass(frozen=True)
class Finding:
    """One result of a check."""

    severity: Severity
    code: str
    """A fixed name for programs, e.g. `duplicate_id`."""
    problem: str
    """What is wrong and where, with examples and figures."""
    cure: str = ""
    """What to do about it."""

    @property
    def message(self) -> str:
        """The problem and the cure as one text."""
        return f"{self.problem}. {self.cure}" if self.cure else self.problem
