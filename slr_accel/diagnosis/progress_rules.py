"""Rules on progress: a run that does not begin to learn, stops learning, or unlearns.

Losses are compared within a run, by their ratios; their kind (a token, a sentence, a batch) differs
between trainers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from statistics import median

from slr_accel.diagnosis.history import FIRST_LINES, History, share_of_references
from slr_accel.diagnosis.rule import found, has_begun
from slr_accel.findings import Finding, Severity
from slr_accel.settings.health import HealthSettings

FEWEST_LOSSES = 5
"""Training losses that a run without WER needs before it is judged."""


def not_begun(history: History, thresholds: HealthSettings) -> Finding | None:
    """A large share of the run is over, and it has not begun to learn.

    The state is what it says instead: nothing, far too much, or something else that is wrong.
    """
    share = history.share
    if share is None or share < thresholds.unlearned_after or has_begun(history, thresholds):
        return None
    over = f"{share:.0%} of the run is over, and"
    if history.validations:
        if len(history.validations) < 2:
            return None
        last = history.validations[-1]
        state, says = _instead(last, thresholds)
        best = history.best_wer
        return found(state, history, f"{over} the WER was never below {best:.1%}: {says}")
    early = history.at_share("loss", thresholds.unlearned_after / 4)
    losses = history["loss"].values
    if early is None or early <= 0 or len(losses) < FEWEST_LOSSES:
        return None
    ratio = min(losses[-FIRST_LINES:]) / early
    if ratio <= thresholds.unlearned_loss:
        return None
    return found(
        "plateau",
        history,
        f"{over} the training loss is still {ratio:.0%} of what it was at a quarter of that",
    )


def _instead(record: Mapping[str, float], thresholds: HealthSettings) -> tuple[str, str]:
    """(state, evidence) of a validation whose WER is high."""
    insertions = share_of_references(record, "insertions") or 0.0
    deletions = share_of_references(record, "deletions")
    if record.get("entropy", 0) >= thresholds.uniform_entropy:
        return "uniform_output", f"the output is uniform (entropy {record['entropy']:.3f} of ln V)"
    if insertions >= thresholds.insertion_share:
        return "insertion_explosion", f"insertions are {insertions:.0%} of the reference tokens"
    if deletions is not None and deletions >= 0.5:
        return "blank_collapse", f"{deletions:.0%} of the reference tokens are deleted"
    if record.get("empty_share", 0) >= 0.5:
        return "blank_collapse", f"{record['empty_share']:.0%} of the hypotheses are empty"
    return "plateau", "what it says is wrong"


def plateau(history: History, thresholds: HealthSettings) -> Finding | None:
    """The second half of the validations is no better than the first: a note if WER is low."""
    wers = history["wer"].values
    is_early = history.share is not None and history.share < thresholds.plateau_after
    if len(wers) < thresholds.plateau_validations or is_early:
        return None
    middle = (len(wers) + 1) // 2
    # The second best of each half: a single lucky validation is no progress.
    before, now = sorted(wers[:middle])[1], sorted(wers[middle:])[1]
    gained = now < (1 - thresholds.plateau_gain) * before
    if gained or before >= thresholds.unlearned_wer or history.best_wer == 0:
        return None
    return found(
        "plateau",
        history,
        f"the last {len(wers) - middle} validations are no better than those before (WER "
        f"{before:.1%} then, {now:.1%} now)",
        severity=_severity(history, thresholds),
    )


def overfitting(history: History, thresholds: HealthSettings) -> Finding | None:
    """The training loss falls, the validation loss rises, and the WER gains nothing."""
    losses, evaluated = history["loss"], history["eval_loss"]
    latest = evaluated.last(thresholds.alarm_validations)
    if not latest or not losses or not has_begun(history, thresholds):
        return None
    best = min(evaluated.values)
    at = evaluated.at[evaluated.values.index(best)]
    then, now = losses.before(at), median(losses.values[-FIRST_LINES:])
    if best <= 0 or min(latest) < (1 + thresholds.overfitting_rise) * best:
        return None
    if then is None or then <= 0 or now > 0.9 * then:
        return None
    wers = history["wer"]
    until = bisect_right(wers.at, at)
    before = min(wers.values[:until], default=math.inf)
    if min(wers.values[until:], default=math.inf) < (1 - thresholds.plateau_gain) * before:
        return None
    return found(
        "overfitting",
        history,
        f"since its best the validation loss has risen by {latest[-1] / best - 1:.0%} while the "
        f"training loss fell by {1 - now / then:.0%}, and the WER has not got better "
        f"({history.best_wer:.1%} at best)",
        severity=_severity(history, thresholds),
    )


def _severity(history: History, thresholds: HealthSettings) -> Severity:
    return "warning" if (history.best_wer or 0) > thresholds.high_wer else "note"


def train_eval_mismatch(history: History, thresholds: HealthSettings) -> Finding | None:
    """The training loss falls, but validation has never followed."""
    losses, evaluated = history["loss"], history["eval_loss"]
    latest = evaluated.last(thresholds.alarm_validations)
    if not latest or not history.validations or has_begun(history, thresholds):
        return None
    if len(losses) <= FIRST_LINES or median(losses.values[-FIRST_LINES:]) > 0.7 * losses.first:
        return None
    trained = (losses.before(at) for at in evaluated.at[-len(latest) :])
    if not all(
        loss >= thresholds.mismatch_ratio * (before or math.inf)
        for loss, before in zip(latest, trained, strict=True)
    ):
        return None
    return found(
        "train_eval_mismatch",
        history,
        f"the training loss has fallen to {losses.values[-1]:.2f}, but the validation loss is "
        f"{latest[-1]:.2f} and the WER was never below {history.best_wer:.1%}",
        # A small corpus is learned by heart first, and generalises later.
        severity="note" if (history.share or 1.0) < thresholds.unlearned_after else None,
    )


def diverged(history: History, thresholds: HealthSettings) -> Finding | None:
    """The WER has left its best for good."""
    wers, count = history["wer"].values, thresholds.alarm_validations
    if len(wers) <= count:
        return None
    best = min(wers[:-count])
    rise = min(wers[-count:]) - best
    if best >= thresholds.unlearned_wer or rise < thresholds.diverged_wer:
        return None
    return _unlearned(history, best)


def _unlearned(history: History, best_wer: float) -> Finding:
    best = next(record for record in history.validations if record["wer"] == best_wer)
    last = history.validations[-1]
    rise = last["wer"] - best_wer
    state, because = "diverged", ""
    for name, known_as in (("insertions", "insertion_explosion"), ("deletions", "blank_collapse")):
        before, now = share_of_references(best, name), share_of_references(last, name)
        if before is not None and now is not None and now - before >= 0.75 * rise:
            state, because = known_as, f", by {name} ({before:.0%} then, {now:.0%} now)"
    return found(
        state,
        history,
        f"the WER was {best_wer:.1%} at best and has risen to {last['wer']:.1%}{because}",
    )
