"""Decides which checkpoints stay on the disk, and removes the others."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from slr_accel.files import GB
from slr_accel.runs.checkpoint import all_checkpoints, delete_checkpoint, step_of
from slr_accel.runs.run_folder import META_FILE
from slr_accel.runs.train_state import TrainState
from slr_accel.settings.training import TrainingSettings


def best_steps(validations: Sequence[tuple[int, float]], count: int) -> list[int]:
    """Steps of the `count` best WERs, best first; of equal WERs the later step."""
    ranked = sorted(validations, key=lambda validation: (validation[1], -validation[0]))
    return [step for step, _ in ranked[:count]]


def kept_steps(steps: Sequence[int], settings: TrainingSettings, state: TrainState) -> set[int]:
    """Of the saved `steps` (sorted): the last, the best, those to average, and every n."""
    kept = {*steps[-settings.keep_last :], state.best_step}
    if settings.average_best is not None:
        kept |= set(best_steps(state.spoken, settings.average_best))
    if settings.keep_every is not None:
        kept |= {step for step in steps if step % settings.keep_every == 0}
    return kept & set(steps)


def beyond_budget(sizes: dict[int, int], budget: float, *, best_step: int) -> list[int]:
    """Steps to remove so that the rest fits into `budget`: the oldest first, never the last or the
    best. `sizes` has the bytes of each step, `budget` is in bytes."""
    total, removed = sum(sizes.values()), []
    for step in sorted(sizes)[:-1]:
        if total > budget and step != best_step:
            removed.append(step)
            total -= sizes[step]
    return removed


def prune_checkpoints(
    checkpoints: Path, settings: TrainingSettings, state: TrainState
) -> str | None:
    """Removes checkpoints that are not kept, and what a crash left.

    Returns:
        What to report of save_total_gb: the checkpoints it removed, or that it is too small.
    """
    saved = {step_of(path): path for path in all_checkpoints(checkpoints)}
    kept = kept_steps(list(saved), settings, state)
    sizes = {
        step: sum(file.stat().st_size for file in saved[step].iterdir()) for step in sorted(kept)
    }
    most = math.inf if settings.save_total_gb is None else settings.save_total_gb
    removed = beyond_budget(sizes, most * GB, best_step=state.best_step)
    for step, path in saved.items():
        if step not in kept or step in removed:
            delete_checkpoint(path)
    for path in checkpoints.glob("step_*"):
        if not (path / META_FILE).is_file() or path.suffix == ".tmp":
            shutil.rmtree(path, ignore_errors=True)
    report = []
    if removed:
        steps = ", ".join(map(str, removed))
        report.append(f"checkpoints of step {steps} removed, for save_total_gb {most:g}")
    total = sum(size for step, size in sizes.items() if step not in removed) / GB
    if total > most:
        report.append(
            f"warning: the last and the best checkpoint alone take {total:.3g} GB, "
            f"more than save_total_gb {most:g}"
        )
    return "\n".join(report) or None
