"""Compares a run with the milestones of its recipe: loss and WER expected by share of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from slr_accel.diagnosis.history import FIRST_LINES, History
from slr_accel.findings import Finding

LATENESS = 1.25
"""A milestone is missed where it is not reached by this multiple of its share of the run."""
WER_MARGIN, LOSS_MARGIN = 0.05, 0.2
"""What WER (a fraction) and loss (relative) may lack to a milestone: seeds differ by as much."""
CURE = (
    "First compare the settings that differ from the recipe's; then look with `slr-accel inspect` "
    "at whether the corpus is the one that the recipe is for; then run with another --seed."
)


@dataclass(frozen=True)
class Milestone:
    """What a run of a recipe has reached by a share of its steps."""

    share: float
    wer: float | None = None
    """A fraction, the best so far."""
    loss: float | None = None
    """CTC in training, nats a token, the median of the last lines."""


def read_milestones(values: Iterable[Mapping[str, float]]) -> list[Milestone]:
    """The `milestones:` of a recipe: a list of {share, wer, loss}, in any order.

    Raises:
        ValueError: a milestone has no share between 0 and 1, expects nothing, or has another name.
    """
    found = []
    for value in values:
        known = value.keys() <= {"share", "wer", "loss"} and value.keys() & {"wer", "loss"}
        if not known or not 0 < value.get("share", 0) <= 1:
            raise ValueError(
                f"milestones: {dict(value)} is to have a share of the run above 0 and up to 1, and "
                "wer, loss or both; e.g. {share: 0.5, wer: 0.4, loss: 1.2}"
            )
        found.append(Milestone(**value))
    return sorted(found, key=lambda milestone: milestone.share)


def behind(
    records: Iterable[Mapping[str, Any]], milestones: Sequence[Milestone], share: float
) -> Finding | None:
    """A warning where the last milestone that was due is missed by far.

    Args:
        records: of the run so far.
        share: of the run that is over.
    """
    due = [m for m in milestones if LATENESS * m.share <= share]
    if not due:
        return None
    history, milestone = History(records), due[-1]
    missed = []
    wer, losses = history.best_wer, history["loss"].values
    if wer is not None and milestone.wer is not None and wer > milestone.wer + WER_MARGIN:
        missed.append(f"a WER of {milestone.wer:.1%}, and is at {wer:.1%}")
    if losses and milestone.loss is not None:
        loss = median(losses[-FIRST_LINES:])
        if loss > (1 + LOSS_MARGIN) * milestone.loss:
            missed.append(f"a loss of {milestone.loss:.3g}, and is at {loss:.3g}")
    if not missed:
        return None
    return Finding(
        "warning",
        "behind",
        f"{history.where}: {share:.0%} of the run is over; by {milestone.share:.0%} the recipe "
        f"expects {'; '.join(missed)}",
        CURE,
    )


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
    found = []
    for share in shares:
        seen = [History(r for r in run if r["step"] <= share * total) for run in runs]
        wers = [history.best_wer for history in seen]
        losses = [median(history["loss"].values[-FIRST_LINES:] or [0]) for history in seen]
        wer = None if None in wers else round(max(w for w in wers if w is not None), 3)
        loss = round(max(losses), 3) or None
        if wer is not None or loss is not None:
            found.append(Milestone(share, wer, loss))
    return found
