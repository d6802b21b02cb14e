"""Rules on what a student takes over from its teachers."""

from __future__ import annotations

from statistics import median

from slr_accel.diagnosis.history import History
from slr_accel.diagnosis.rule import found, has_begun
from slr_accel.findings import Finding
from slr_accel.settings.health import HealthSettings


def spikes_apart(history: History, thresholds: HealthSettings) -> Finding | None:
    """Glosses lastingly come earlier or later than the teacher's, which undoes its soft labels."""
    offsets = history["spike_offset"].last(thresholds.alarm_lines)
    if not offsets or not has_begun(history, thresholds):
        return None
    offset, least = median(offsets), thresholds.spike_offset
    if min(offsets) < least and max(offsets) > -least:
        return None
    return found(
        "spikes_apart",
        history,
        f"glosses come {abs(offset):g} output steps {'later' if offset > 0 else 'earlier'} than "
        "the teacher's, so that its soft labels teach one thing and CTC another",
    )
