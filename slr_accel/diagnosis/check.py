"""Defines a check: a property that was measured, whether it holds, and the cure where it does not.

A checklist shows what holds as well as what does not, so that a reader sees what can be ruled out;
`findings.Finding` is for reports that name only what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One measured property."""

    name: str
    """A fixed name for programs, e.g. `padding_invariance`."""
    ok: bool
    measured: str
    """The figures, with their unit: a phrase."""
    cure: str = ""
    """What to look at or to change where it fails: sentences."""

    def line(self, width: int) -> str:
        """Returns `ok`, the name padded to `width` and the figures; after a failure the cure."""
        text = f"{'ok' if self.ok else 'FAILED':<8}{self.title:<{width}}  {self.measured}"
        return text if self.ok or not self.cure else f"{text}. {self.cure}"

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def lines(checks: Sequence[Check]) -> list[str]:
    """Returns a line a check, with the figures below each other."""
    width = max((len(check.title) for check in checks), default=0)
    return [check.line(width) for check in checks]
