"""Rules on gradients and on figures that are not finite."""

from __future__ import annotations

from statistics import median

from slr_accel.diagnosis.history import History
from slr_accel.diagnosis.rule import found, has_begun
from slr_accel.findings import Finding
from slr_accel.settings.health import HealthSettings

PARTS = {
    "grad_norm": "the gradient",
    "grad_norm_features": "the gradient of the first layer",
    "grad_norm_convolutions": "the gradient of the convolutions",
    "grad_norm_recurrent": "the gradient of the recurrent part",
    "grad_norm_head": "the gradient of the head",
}


def non_finite(history: History, thresholds: HealthSettings) -> Finding | None:
    """A loss or gradient is NaN or infinite, or many steps are left out because of one."""
    if history.not_finite and history.num_records - history.not_finite[0] <= thresholds.alarm_lines:
        return found("non_finite", history, f"{history.not_finite[1]} is not a finite number")
    skipped, steps = history["skipped_steps"], history["step"]
    lines = skipped.last(thresholds.alarm_lines)
    if not lines or len(skipped) == len(lines):
        return None
    taken = steps.values[-1] - (steps.before(skipped.at[-len(lines) - 1]) or 0)
    if taken <= 0 or sum(lines) < thresholds.skipped_share * taken:
        return None
    return found(
        "non_finite",
        history,
        f"{sum(lines):.0f} of the last {taken:.0f} optimizer steps had no finite gradient and were "
        "left out",
    )


def vanishing_gradient(history: History, thresholds: HealthSettings) -> Finding | None:
    """The gradient is next to nothing, or a part has none, though the loss is still high.

    A small gradient of the first layer alone says nothing: sound runs have it in the blank phase.
    """
    if _has_learned(history, thresholds):
        return None
    for name, part in PARTS.items():
        is_whole = name == "grad_norm"
        least = thresholds.vanishing_gradient if is_whole else thresholds.unreached_gradient
        lines = history[name].last(thresholds.alarm_lines)
        if lines and median(lines) < least:
            return found(
                "vanishing_gradient",
                history,
                f"{part} has vanished (norm {median(lines):.1e}) though the loss is still high",
            )
    return None


def exploding_gradient(history: History, thresholds: HealthSettings) -> Finding | None:
    """The gradient is huge and the loss does not fall, or has risen since."""
    lines = history["grad_norm"].last(thresholds.alarm_lines)
    if lines and median(lines) > thresholds.exploding_gradient:
        losses = history["loss"]
        latest = losses.last(thresholds.alarm_lines)
        if not latest or median(latest) >= 0.9 * losses.first:
            return found(
                "exploding_gradient",
                history,
                f"the gradient has a norm of {median(lines):.0f} before clipping, and the loss "
                "does not fall",
            )
    if max(history["grad_norm"].values[-thresholds.alarm_lines :], default=0) > (
        thresholds.exploding_gradient
    ):
        return _risen(history, thresholds, "exploding_gradient")
    return None


def diverged_loss(history: History, thresholds: HealthSettings) -> Finding | None:
    """The training loss is above its start."""
    return _risen(history, thresholds, "diverged")


def _risen(history: History, thresholds: HealthSettings, code: str) -> Finding | None:
    losses = history["loss"].values
    latest = losses[1:][-thresholds.alarm_lines // 2 :]
    if len(latest) < thresholds.alarm_lines // 2 or losses[0] <= 0:
        return None
    if median(latest) < thresholds.diverged_loss * losses[0]:
        return None
    norms = history["grad_norm"].values[-thresholds.alarm_lines :]
    largest = f", with gradients up to a norm of {max(norms):.0f}" if norms else ""
    return found(
        code,
        history,
        f"the training loss is {median(latest):.3g}, above the {losses[0]:.3g} it began with"
        f"{largest}",
    )


def _has_learned(history: History, thresholds: HealthSettings) -> bool:
    """Whether the training loss has halved; where there is none, whether the WER has fallen."""
    losses = history["loss"]
    if not losses:
        return has_begun(history, thresholds)
    return median(losses.values[-thresholds.alarm_lines :]) < 0.5 * losses.first
