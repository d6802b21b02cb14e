"""Compares a run with the milestones of its recipe: WER and loss expected by share of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from slr_accel.diagnosis.history import FIRST_LINES, History
from slr_accel.diagnosis.rule import found
from slr_accel.findings import Finding
from slr_accel.settings.health import HealthSettings, Milestone

LATENESS = 1.25
"""A milestone is missed where it is not reached by this multiple of its share of the run."""
WER_MARGIN, LOSS_MARGIN = 0.05, 0.2
"""What WER (a fraction) and loss (relative) may lack to a milestone: seeds differ by as much."""


def behind(history: History, thresholds: HealthSettings) -> Finding | None:
    """A note where the last milestone that was due is missed by far."""
    share = history.share or 0.0
    due = [m for m in thresholds.milestones if LATENESS * m.share <= share]
    if not due:
        return None
    milestone = max(due, key=_share)
    missed = []
    wer, losses = history.best_wer, history["loss"].values
    if wer is not None and milestone.wer is not None and wer > milestone.wer + WER_MARGIN:
        missed.append(f"a WER of {milestone.wer:.1%}, and its best is {wer:.1%}")
    if losses and milestone.loss is not None:
        loss = median(losses[-FIRST_LINES:])
        if loss > (1 + LOSS_MARGIN) * milestone.loss:
            missed.append(f"a loss of {milestone.loss:.3g}, and it is {loss:.3g}")
    if not missed:
        return None
    return found(
        "behind",
        history,
        f"{share:.0%} of the run is over; by {milestone.share:.0%} runs of this recipe had "
        f"{'; '.join(missed)}",
        severity="note",
    )


def expected(milestones: Iterable[Milestone], total: float) -> dict[str, list[tuple[float, float]]]:
    """The expected curves of a run of `total` steps: {figure: [(step, value)]}."""
    points: dict[str, list[tuple[float, float]]] = {}
    for milestone in sorted(milestones, key=_share):
        for name, value in (("wer", milestone.wer), ("loss", milestone.loss)):
            if value is not None:
                points.setdefault(name, []).append((milestone.share * total, value))
    return points


def milestones_of(
    runs: Sequence[Sequence[Mapping[str, Any]]],
    total: float,
    shares: Sequence[float] = (0.1, 0.25, 0.5, 0.75),
) -> list[Milestone]:
    """The milestones of recorded runs of one recipe: at each share, the worst of them.

    Args:
        runs: the records of each, e.g. of several seeds.
        total: steps of each run.
    """
    made = []
    for share in shares:
        seen = [History(r for r in run if r["step"] <= share * total) for run in runs]
        wers = [history.best_wer for history in seen]
        losses = [median(history["loss"].values[-FIRST_LINES:] or [0]) for history in seen]
        wer = None if None in wers else round(max(w for w in wers if w is not None), 3)
        loss = round(max(losses), 3) or None
        if wer is not None or loss is not None:
            made.append(Milestone(share, wer, loss))
    return made


def _share(milestone: Milestone) -> float:
    return milestone.share
