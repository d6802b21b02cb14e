"""Names the states that a run is in, from the figures recorded so far.

The rules are pure and see only what came before, so a finished run can be replayed: its alarms come
where they would have come while it trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from slr_accel.diagnosis.alarms import Alarms
from slr_accel.diagnosis.gradient_rules import (
    diverged_loss,
    exploding_gradient,
    non_finite,
    vanishing_gradient,
)
from slr_accel.diagnosis.history import History
from slr_accel.diagnosis.milestones import behind
from slr_accel.diagnosis.output_rules import (
    blank_collapse,
    constant_output,
    insertion_explosion,
    uniform_output,
)
from slr_accel.diagnosis.progress_rules import (
    diverged,
    not_begun,
    overfitting,
    plateau,
    train_eval_mismatch,
)
from slr_accel.diagnosis.rule import Rule
from slr_accel.diagnosis.teaching_rules import spikes_apart
from slr_accel.findings import Finding, worst_first
from slr_accel.settings.health import HealthSettings

RULES: tuple[tuple[Rule, ...], ...] = (
    (non_finite, exploding_gradient, diverged_loss, vanishing_gradient),
    (
        uniform_output,
        blank_collapse,
        constant_output,
        insertion_explosion,
        train_eval_mismatch,
        not_begun,
        diverged,
    ),
    (overfitting, plateau),
    (behind,),
    (spikes_apart,),
)
"""In each group the cause before its consequences: only the first that applies is reported."""


def judge(history: History, thresholds: HealthSettings) -> list[Finding]:
    """The findings at the present place of a run, the worst first, one of a state."""
    firsts = (
        next(filter(None, (rule(history, thresholds) for rule in group)), None) for group in RULES
    )
    found = {finding.code: finding for finding in firsts if finding is not None}
    return worst_first(list(found.values()))


def findings(
    records: Iterable[Mapping[str, Any]],
    thresholds: HealthSettings,
    total_steps: float | None = None,
) -> list[Finding]:
    """The findings after all of `records`.

    Args:
        records: lines of metrics.jsonl, in their order.
        total_steps: of the whole run (epochs where the records have no step); None: unknown, and
            then no rule asks how much of the run is over.
    """
    return judge(History(records, total_steps), thresholds)


def state(found: list[Finding]) -> str:
    """The worst state of a run in one word, notes left out."""
    return next((finding.code for finding in found if is_alarm(finding)), "healthy")


def is_alarm(finding: Finding) -> bool:
    return finding.severity != "note"


def replay(
    records: Iterable[Mapping[str, Any]],
    thresholds: HealthSettings,
    total_steps: float | None = None,
) -> list[tuple[float, Finding]]:
    """(step or epoch, finding) of a run, each where it would have been said.

    Args:
        total_steps: default: the place of the last record, as of a run that ended as planned.
    """
    records = list(records)
    history = History(total=total_steps or History(records).position)
    alarms, said = Alarms(patience=thresholds.alarm_lines), []
    for record in records:
        history.add(record)
        news = alarms.news(judge(history, thresholds))
        said += [(history.position, finding) for finding in news]
    return said
