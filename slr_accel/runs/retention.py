"""Which checkpoints stay on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from slr_accel.files import GB
from slr_accel.runs.checkpoint import (
    META_FILE,
    TrainState,
    all_checkpoints,
    delete_checkpoint,
    step_of,
)
from slr_accel.settings.training import TrainingSettings


def best_steps(validations: Sequence[tuple[int, float]], count: int) -> list[int]:
    """Steps of the `count` best WERs, the best one first; of equal ones the later."""
    ranked = sorted(validations, key=lambda validation: (validation[1], -validation[0]))
    return [step for step, _ in ranked[:count]]


def kept_steps(steps: Sequence[int], settings: TrainingSettings, state: TrainState) -> set[int]:
    """Of the saved `steps`, in order: the last, the best, those to average, and every n."""
    kept = {*steps[-settings.keep_last :], state.best_step}
    if settings.average_best is not None:
        kept |= set(best_steps(state.validations, settings.average_best))
    if settings.keep_every is not None:
        kept |= {step for step in steps if step % settings.keep_every == 0}
    return kept & set(steps)


def beyond_budget(sizes: dict[int, int], budget: float, *, best_step: int) -> list[int]:
    """Steps to give up so that the rest fits: the oldest first, never the last or the best.

    Args:
        sizes: bytes by step.
        budget: bytes.
    """
    total, given_up = sum(sizes.values()), []
    for step in sorted(sizes)[:-1]:
        if total <= budget:
            break
        if step != best_step:
            given_up.append(step)
            total -= sizes[step]
    return given_up


def prune_checkpoints(
    checkpoints: Path, settings: TrainingSettings, state: TrainState
) -> str | None:
    """Removes what is not kept and what a crash left; says what --save_total_gb cost."""
    saved = {step_of(path): path for path in all_checkpoints(checkpoints)}
    kept = kept_steps(list(saved), settings, state)
    sizes = {step: _size(saved[step]) for step in sorted(kept)}
    given_up: list[int] = []
    if settings.save_total_gb is not None:
        budget = settings.save_total_gb * GB
        given_up = beyond_budget(sizes, budget, best_step=state.best_step)
    for step, path in saved.items():
        if step not in kept or step in given_up:
            delete_checkpoint(path)
    for path in checkpoints.glob("step_*"):
        if not (path / META_FILE).is_file() or path.suffix == ".tmp":
            shutil.rmtree(path, ignore_errors=True)
    if settings.save_total_gb is None:
        return None
    total = sum(size for step, size in sizes.items() if step not in given_up)
    return _told(given_up, total / GB, settings.save_total_gb)


def _told(given_up: list[int], total: float, most: float) -> str | None:
    told = []
    if given_up:
        steps = ", ".join(map(str, given_up))
        told.append(f"checkpoints of step {steps} removed, for save_total_gb {most:g}")
    if total > most:
        told.append(
            f"warning: the last and the best checkpoint alone take {total:.3g} GB, "
            f"more than save_total_gb {most:g}"
        )
    return "\n".join(told) or None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
