"""A finding: what a check found wrong in a corpus or a run, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SEVERITIES = ("error", "warning", "note")
"""The worst one first."""


@dataclass(frozen=True)
class Finding:
    """One result of a check."""

    severity: Literal["error", "warning", "note"]
    code: str
    """A fixed name for programs, e.g. `duplicate_id`."""
    message: str
    """What is wrong, where (with examples), and the cure."""
