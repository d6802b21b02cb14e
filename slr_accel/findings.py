"""Defines a finding: what a check found wrong in a corpus or a run, and the cure."""

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
    """What is wrong and where, with examples: sentences."""
    cure: str = ""
    """What to do about it: sentences; empty where nothing needs to be done."""
    sure: Literal["certain", "likely", "possible"] = "certain"
    """Whether the problem was measured, or is what the figures suggest."""

    @property
    def message(self) -> str:
        return f"{self.problem} {self.cure}".rstrip()

    def to_json(self) -> dict[str, str]:
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "cure": self.cure,
        }


def worst_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
