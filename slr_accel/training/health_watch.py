"""Watches the figures of a run while it trains, and raises alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slr_accel.diagnosis.alarms import Alarms
from slr_accel.diagnosis.history import History
from slr_accel.diagnosis.states import judge
from slr_accel.errors import RunError
from slr_accel.findings import Finding
from slr_accel.settings.health import HealthSettings


class HealthWatch:
    """Judges a run after each line of metrics; used by the first process.

    Args:
        records: the lines that earlier starts of the run have logged.
        raised: `raised` of an earlier start: alarms that are not repeated.
        total_steps: of the run.
    """

    def __init__(
        self,
        settings: HealthSettings,
        records: Iterable[Mapping[str, Any]],
        raised: dict[str, Any],
        total_steps: int,
    ) -> None:
        self._settings = settings
        self._history = History(records, total_steps)
        self._alarms = Alarms(patience=settings.alarm_lines)
        self._alarms.load_state_dict(raised)
        self.collapse: Finding | None = None
        """The alarm that ends the run, with --on_collapse stop."""

    def look(self, record: Mapping[str, Any]) -> list[Finding]:
        """Adds a line of metrics; returns the findings that are to be reported now."""
        self._history.add(record)
        news = self._alarms.news(judge(self._history, self._settings))
        errors = [finding for finding in news if finding.severity == "error"]
        if errors and self._settings.on_collapse == "stop":
            self.collapse = errors[0]
        return news

    @property
    def raised(self) -> dict[str, Any]:
        """The alarms that are raised, as a checkpoint keeps them."""
        return self._alarms.state_dict()


def stopped_by_collapse(step: int) -> RunError:
    """The end of a run by --on_collapse stop."""
    return RunError(
        f"saved at step {step} and stopped by --on_collapse stop, because of the alarm above; the "
        "same command with --on_collapse warn continues"
    )
