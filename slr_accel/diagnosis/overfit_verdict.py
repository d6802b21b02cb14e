"""Reads the metrics of an overfit test, gives the verdict and writes the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from slr_accel.diagnosis.check import Check, lines
from slr_accel.diagnosis.overfit_status import MINIMUM, TARGET, level

VERDICTS = {
    "both": "Model and corpus can learn: both settings learned the sequences by heart.",
    "standard": "Model and corpus can learn with the standard settings.",
    "relaxed": "Model and corpus can learn with the relaxed settings.",
    "only_standard": (
        "Model and corpus can learn, but only with the standard settings: the relaxed learning "
        "rate is too high for them. Train at the standard one or below."
    ),
    "only_relaxed": (
        "Only the relaxed settings learned the sequences: the stabilising settings (learning rate, "
        "gradient clipping, attention clamp) are too strict. Train with the relaxed ones."
    ),
    "neither": (
        "The model did not learn the sequences by heart. Something is wrong with the data, the "
        "model or the settings; more training on the whole corpus will not cure it. The checklist "
        "shows what was measured."
    ),
}
Verdict = Literal["both", "standard", "relaxed", "only_standard", "only_relaxed", "neither"]


@dataclass(frozen=True)
class Trial:
    """The training on the few sequences with one of the two settings, as its metrics show it."""

    name: str
    """standard or relaxed."""
    learning_rate: float
    final_wer: float
    """Of the last validation, a fraction; 1 where there was none."""
    best_wer: float
    epoch_of_zero: int | None
    """The first epoch, counted from 1, at whose end the WER was 0."""
    epochs: int
    steps: int
    final_loss: float | None
    """CTC in nats a token, in training."""
    earlier_loss: float | None
    """The same at four fifths of the training."""
    eval_loss: float | None
    """Of the last validation: the same sequences in evaluation mode."""
    grad_norms: tuple[float, float] | None
    """Smallest and largest norm before clipping, at the logged steps that were finite."""
    clipped_share: float
    skipped_steps: int
    """Steps left out because a loss or a gradient was NaN or infinite."""
    update_ratio: float | None
    """Norm of an update over norm of the weights, the median of the logged steps."""
    seconds: float
    error: str | None = None
    """Why the training ended before its time."""

    @property
    def passed(self) -> bool:
        return self.final_wer < MINIMUM

    @property
    def level(self) -> str:
        return level(self.final_wer)


def read_trial(
    name: str,
    learning_rate: float,
    metrics: Sequence[dict[str, Any]],
    seconds: float,
    error: str | None = None,
) -> Trial:
    """Reads the records of a run's metrics.jsonl."""
    validations = [record for record in metrics if "wer" in record]
    steps = [record for record in metrics if "learning_rate" in record]
    norms = [record["grad_norm"] for record in steps if "grad_norm" in record]
    ratios = sorted(record["update_ratio"] for record in steps if "update_ratio" in record)
    wers = [record["wer"] for record in validations]
    losses = [record["loss"] for record in steps if "loss" in record]
    last = metrics[-1] if metrics else {"step": 0, "epoch": 0}
    return Trial(
        name=name,
        learning_rate=learning_rate,
        final_wer=wers[-1] if wers else 1.0,
        best_wer=min(wers, default=1.0),
        epoch_of_zero=next((r["epoch"] for r in validations if r["wer"] == 0), None),
        epochs=last["epoch"],
        steps=last["step"],
        final_loss=losses[-1] if losses else None,
        earlier_loss=losses[max(len(losses) * 4 // 5 - 1, 0)] if losses else None,
        eval_loss=validations[-1].get("eval_loss") if validations else None,
        grad_norms=(min(norms), max(norms)) if norms else None,
        clipped_share=sum(r["clipped_share"] for r in steps) / max(len(steps), 1),
        skipped_steps=sum(r["skipped_steps"] for r in steps),
        update_ratio=ratios[len(ratios) // 2] if ratios else None,
        seconds=seconds,
        error=error,
    )


def verdict(trials: Sequence[Trial]) -> Verdict:
    """Gives the verdict on one trial or on both."""
    passed = {trial.name for trial in trials if trial.passed}
    if not passed:
        return "neither"
    if len(trials) == 1:
        return "standard" if "standard" in passed else "relaxed"
    if len(passed) == 2:
        return "both"
    return "only_standard" if "standard" in passed else "only_relaxed"


def is_good(found: Verdict) -> bool:
    """Whether the exit code is 0: the settings that were asked for passed, or the stricter one."""
    return found not in ("only_relaxed", "neither")


SMALL_RATIO = 1e-3
"""Update over weights while there is much to learn. Our models have 1.5e-3 to 4e-3 at the tests'
learning rates, and with an eps of 1e-3 in AdamW 5e-4 to 8e-4."""
MISMATCH = 0.3
"""Nats a token by which the loss in evaluation mode may exceed that in training."""
STILL_FALLS = 0.8
"""Loss at the end over loss at four fifths of the training."""
FEW_STEPS = 200
MOSTLY = 0.9


def training_checks(trial: Trial) -> list[Check]:
    """Checks the course of a training that failed: its steps, updates and gradients."""
    low, high = trial.grad_norms or (0.0, 0.0)
    ratio, last, earlier = trial.update_ratio, trial.final_loss, trial.earlier_loss
    evaluated = trial.eval_loss
    return [
        Check(
            "finite",
            not trial.skipped_steps and trial.error is None,
            f"{trial.skipped_steps} steps with NaN or Inf" + (", run ended" * bool(trial.error)),
            "Lower --learning_rate; look for NaN in the features with `slr-accel inspect`.",
        ),
        Check(
            "optimizer_steps",
            trial.steps >= FEW_STEPS,
            f"{trial.steps} steps",
            "Raise --epochs; lower --accumulation_steps and --batch_size.",
        ),
        Check(
            "update_size",
            ratio is not None and ratio >= SMALL_RATIO,
            "no update was measured" if ratio is None else f"{ratio:.1e} of the weights a step",
            f"Below {SMALL_RATIO:g} steps are small: raise --learning_rate. An eps of AdamW near "
            "the size of the gradients shrinks them too: it should be 1e-8.",
        ),
        Check(
            "progress",
            earlier is None or last is None or last > STILL_FALLS * earlier,
            "no loss was logged"
            if last is None or earlier is None
            else f"loss {earlier:.3g} after four fifths, {last:.3g} at the end",
            "It was still learning: raise --epochs, or take more and larger steps (a large "
            "accumulation leaves few).",
        ),
        Check(
            "train_and_evaluation",
            last is None or evaluated is None or evaluated < last + MISMATCH,
            "no loss was logged"
            if last is None or evaluated is None
            else f"loss {last:.3g} in training, {evaluated:.3g} in evaluation mode",
            "The model computes something else in evaluation mode: batch norm whose batches differ "
            "from all sequences (raise --batch_size), or a layer of training alone.",
        ),
        Check(
            "gradient_norm",
            low > 0 and high < 1e3,
            f"{low:.3g} to {high:.3g} before clipping",
            "Zero means that nothing flows back; above 1000 lower --learning_rate.",
        ),
        Check(
            "clipping",
            trial.clipped_share < MOSTLY,
            f"{trial.clipped_share:.0%} of the steps clipped",
            "Raise --max_grad_norm.",
        ),
    ]


def report(
    *,
    model: str,
    corpus: str,
    ids: Sequence[str],
    trials: Sequence[Trial],
    checks: Sequence[Check],
    others: Sequence[dict[str, Any]],
) -> str:
    """Writes the report as text: trials, verdict, checklist, and the other models tested here.

    Args:
        others: the results of other models, as `to_json` makes them.
    """
    found = verdict(trials)
    text = [
        f"overfit test of {model} on {len(ids)} sequences of {corpus}",
        f"sequences: {', '.join(ids)}",
        "",
        *(_trial_line(trial) for trial in trials),
        f"levels: WER below {MINIMUM:.0%} minimum, below {TARGET:.0%} target, 0 ideal",
        "",
        f"{'PASSED' if is_good(found) else 'FAILED'}: {VERDICTS[found]}",
    ]
    if checks:
        text += ["", "checklist", *lines(checks)]
    if others:
        text += ["", *comparison([to_json(model, corpus, ids, trials, checks), *others])]
    return "\n".join(text) + "\n"


def _trial_line(trial: Trial) -> str:
    zero = "never" if trial.epoch_of_zero is None else f"in epoch {trial.epoch_of_zero}"
    loss = "unknown" if trial.final_loss is None else f"{trial.final_loss:.4f}"
    norms = "none" if trial.grad_norms is None else "{:.3g} to {:.3g}".format(*trial.grad_norms)
    wrong = "seen" if trial.skipped_steps or trial.error else "none"
    line = (
        f"{trial.name} (learning rate {trial.learning_rate:g}): WER {trial.final_wer:.2%}, "
        f"{trial.level}; 0 {zero}; {trial.epochs} epochs, {trial.seconds:.0f} s; "
        f"loss {loss}; gradient norm {norms}; NaN or Inf {wrong}"
    )
    return line if trial.error is None else f"{line}\n  it ended early: {trial.error}"


def to_json(
    model: str,
    corpus: str,
    ids: Sequence[str],
    trials: Sequence[Trial],
    checks: Sequence[Check],
) -> dict[str, Any]:
    """Returns the content of `overfit_<model>_results.json`."""
    found = verdict(trials)
    return {
        "model": model,
        "corpus": corpus,
        "sequences": list(ids),
        "verdict": found,
        "passed": is_good(found),
        "message": VERDICTS[found],
        "trials": {
            trial.name: {
                **asdict(trial),
                "level": trial.level,
                "non_finite_seen": bool(trial.skipped_steps or trial.error),
            }
            for trial in trials
        },
        "checks": [check.to_json() for check in checks],
    }


def comparison(results: Sequence[dict[str, Any]]) -> list[str]:
    """Returns a table of the models tested, a line a trial, in the order given."""
    heading = f"{'model':<18} {'setting':<9} {'WER':>8} {'0 in epoch':>10} {'loss':>8} {'time':>7}"
    rows = [heading]
    for result in results:
        for name, trial in result["trials"].items():
            zero = "-" if trial["epoch_of_zero"] is None else str(trial["epoch_of_zero"])
            loss = "-" if trial["final_loss"] is None else f"{trial['final_loss']:.4f}"
            rows.append(
                f"{result['model']:<18} {name:<9} {trial['final_wer']:>8.2%} {zero:>10} "
                f"{loss:>8} {trial['seconds']:>5.0f} s"
            )
    return rows
