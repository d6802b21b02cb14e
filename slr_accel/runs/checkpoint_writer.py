"""Writes the checkpoints of a run: at once, or in a thread while training goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from slr_accel.runs.checkpoint import Snapshot, point_to, write_checkpoint
from slr_accel.runs.retention import prune_checkpoints
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.training import TrainingSettings


class CheckpointWriter:
    """Writes the checkpoints of a run one after the other; only the main process has one.

    With async_save, a thread writes copies of the tensors; the next `check`, `save` or `wait`
    raises its error.
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
        self._pool.shutdown()  # finishes the save in progress, whatever ended the run
        if kind is None:
            self.wait()
        elif self._pending is not None and self._pending.exception() is not None:
            self._say(f"warning: {self._pending.exception()}")

    def save(self, **content: Any) -> None:
        """Writes a Snapshot of `content`, which has all but its weights; first waits for the last
        save."""
        self.wait()
        snapshot = Snapshot(weights=content["model"].state_dict(), **content)
        if self._settings.async_save:
            self._pending = self._pool.submit(self._write, snapshot.on_host())
        else:
            self._report(self._write(snapshot))

    def check(self) -> None:
        """Raises OSError where the last save has failed; does not wait for it."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Waits until everything is on the disk. Raises OSError where a save has failed."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._report(pending.result())

    def _write(self, snapshot: Snapshot) -> str | None:
        state = snapshot.state
        folder = write_checkpoint(self._run.checkpoints, snapshot)
        if state.best_step == state.step:
            point_to(self._run.best, folder)
        if state.owes_validation:  # this checkpoint will be replaced: keep one more until then
            return None
        return prune_checkpoints(self._run.checkpoints, self._settings, state)

    def _report(self, text: str | None) -> None:
        if text is not None:
            self._say(text)
