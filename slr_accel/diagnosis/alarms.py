"""Says a finding once, not at every validation.

An alarm is said again where it ended and came back, or got worse; a note only where it got worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from slr_accel.findings import SEVERITIES, Finding, Severity


@dataclass
class Alarms:
    """What has been said and is not over."""

    patience: int
    """Looks in a row without a state after which it has ended."""
    raised: dict[str, tuple[Severity, int]] = field(default_factory=dict)
    """{state: (worst severity said, looks since it was last seen)}"""

    def news(self, found: Sequence[Finding]) -> list[Finding]:
        """Takes what is found at a look; returns what is to be said of it."""
        present = {finding.code for finding in found}
        absent = {
            code: (severity, looks + 1)
            for code, (severity, looks) in self.raised.items()
            if code not in present and (severity == "note" or looks + 1 < self.patience)
        }
        news = [finding for finding in found if self._is_news(finding)]
        seen = {
            finding.code: (finding.severity if finding in news else self.raised[finding.code][0], 0)
            for finding in found
        }
        self.raised = {**absent, **seen}
        return news

    def _is_news(self, finding: Finding) -> bool:
        if finding.code not in self.raised:
            return True
        said, _ = self.raised[finding.code]
        return SEVERITIES.index(finding.severity) < SEVERITIES.index(said)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, plain JSON."""
        return {code: list(entry) for code, entry in self.raised.items()}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        self.raised = {code: (severity, looks) for code, (severity, looks) in kept.items()}
