"""When and where checkpoints are written: at once, or in a thread while training goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from slr_accel.runs.checkpoint import (
    Snapshot,
    TrainState,
    point_to,
    take_snapshot,
    write_checkpoint,
)
from slr_accel.runs.retention import prune_checkpoints
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.training import TrainingSettings


class CheckpointWriter:
    """Writes a run's checkpoints, one after the other; used by one process.

    With async_save, tensors are copied to the host and a thread writes them. An error is raised
    by the next `check`, `save` or `wait`. A kill leaves the folder `.tmp`, as without a thread.
    """

    def __init__(
        self, run: RunFolder, settings: TrainingSettings, say: Callable[[str], None]
    ) -> None:
        self._run, self._settings, self._say = run, settings, say
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="save")
        self._pending: Future[str | None] | None = None

    def __enter__(self) -> CheckpointWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._pool.shutdown()  # what was begun is finished, whatever ended the run
        if kind is None:
            self.wait()
        elif self._pending is not None and self._pending.exception() is not None:
            self._say(f"warning: {self._pending.exception()}")

    def save(self, **what: Any) -> None:
        """Writes `what` (see take_snapshot); waits for the one before."""
        self.wait()
        is_async = self._settings.async_save
        snapshot = take_snapshot(**what, copied=is_async)
        if is_async:
            self._pending = self._pool.submit(self._write, snapshot)
        else:
            self._tell(self._write(snapshot))

    def check(self) -> None:
        """Raises OSError where the last save has failed; does not wait for it."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Returns when all is on the disk. Raises OSError where it could not be written."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._tell(pending.result())

    def _write(self, snapshot: Snapshot) -> str | None:
        state: TrainState = snapshot.state
        folder = write_checkpoint(self._run.checkpoints, snapshot)
        if state.best_step == state.step:
            point_to(self._run.best, folder)
        if state.owes_validation:  # this checkpoint will be written again: one more stays till then
            return None
        return prune_checkpoints(self._run.checkpoints, self._settings, state)

    def _tell(self, text: str | None) -> None:
        if text is not None:
            self._say(text)
