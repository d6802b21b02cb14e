"""Rules on what the model puts out: uniform, blank, constant, or far too much.

An early blank phase is normal in CTC. For thousands of steps WER may be 100 % and the loss flat;
then the blank probability is near 1 - labels / output steps, and the gradient is not small. So none
of these rules goes by the WER alone; how long a run may stay so is asked in `progress_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from slr_accel.diagnosis.history import History, is_flat, share_of_references
from slr_accel.diagnosis.rule import found, has_begun
from slr_accel.findings import Finding
from slr_accel.settings.health import HealthSettings


def uniform_output(history: History, thresholds: HealthSettings) -> Finding | None:
    """Every token stays about as likely as another, and the loss does not fall."""
    rates = history["learning_rate"].last(thresholds.alarm_lines)
    is_warming_up = bool(rates) and rates[-1] > rates[0]
    entropy = _lasting(history, thresholds, "entropy", thresholds.uniform_entropy)
    if entropy is None or is_warming_up:
        return None
    return found(
        "uniform_output",
        history,
        f"the output is uniform (entropy {entropy:.3f} of ln V) and the loss does not fall",
    )


def blank_collapse(history: History, thresholds: HealthSettings) -> Finding | None:
    """Blank is certain, and the loss does not fall."""
    if has_begun(history, thresholds):
        return None
    blank = _lasting(history, thresholds, "blank_probability", thresholds.certain_blank)
    if blank is None:
        return None
    return found(
        "blank_collapse",
        history,
        f"every output step is blank with a mean probability of {blank:.4f}, which is more than "
        "an early blank phase has, and the loss does not fall",
    )


def _lasting(history: History, thresholds: HealthSettings, name: str, least: float) -> float | None:
    """The median of a figure that stayed at `least` or above while the loss did not fall.

    In training or in validation; None in neither.
    """
    for figure, loss, count in (
        (f"train_{name}", "loss", thresholds.alarm_lines),
        (name, "eval_loss", thresholds.alarm_validations),
    ):
        values = history[figure].last(count)
        if values and min(values) >= least and is_flat(history[loss].last(count)):
            return median(values)
    return None


def insertion_explosion(history: History, thresholds: HealthSettings) -> Finding | None:
    """Far more is recognised than was signed, and that does not get better."""
    last = history.validations[-thresholds.alarm_validations :]
    if len(last) < thresholds.alarm_validations or _is_early(history, thresholds):
        return None
    shares = [_insertions(record) for record in last]
    if min(shares) < thresholds.insertion_share or last[-1]["wer"] < 0.9 * last[0]["wer"]:
        return None
    return found(
        "insertion_explosion",
        history,
        f"{len(last)} validations in a row have {shares[-1]:.0%} of the reference tokens as "
        f"insertions, at a WER of {last[-1]['wer']:.0%}",
    )


def _insertions(record: Mapping[str, float]) -> float:
    """Insertions over reference tokens; at least so many, where they were not counted.

    A WER above 100 % has insertions: deletions and substitutions are at most one a token.
    """
    counted = share_of_references(record, "insertions")
    return max(record["wer"] - 1, 0.0) if counted is None else counted


def constant_output(history: History, thresholds: HealthSettings) -> Finding | None:
    """For half of its time every sentence gets the same answer, and the loss does not fall."""
    count = max(thresholds.alarm_validations, len(history.validations) // 2)
    last = history.validations[-count:]
    if len(last) < count or _is_early(history, thresholds):
        return None
    if not all(_is_constant(record, thresholds) for record in last):
        return None
    if not is_flat(history["eval_loss"].last(count)):
        return None
    return found(
        "constant_output",
        history,
        f"{count} validations in a row gave all sentences the same hypothesis, at a WER of "
        f"{last[-1]['wer']:.1%}: the output does not depend on the input",
    )


def _is_early(history: History, thresholds: HealthSettings) -> bool:
    return history.share is not None and history.share < thresholds.judged_after


def _is_constant(record: Mapping[str, float], thresholds: HealthSettings) -> bool:
    """Whether one hypothesis is given everywhere, and is wrong.

    Where hypotheses were not counted, a single token at a WER as of an untrained model counts.
    """
    if record.get("empty_share", 0) == 1:
        return False  # that is a blank phase
    hypotheses = record.get("distinct_hypotheses")
    if hypotheses is None:
        return record.get("distinct_tokens") == 1 and record["wer"] >= thresholds.unlearned_wer
    return hypotheses == 1 and record.get("num_sequences", 2) > 1 and record["wer"] > 0.1
