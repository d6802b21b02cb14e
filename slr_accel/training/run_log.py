"""Reports a run while it trains, on the first process; the other processes are silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slr_accel.diagnosis.milestones import expected
from slr_accel.diagnosis.training_log import read_records
from slr_accel.findings import Finding
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import TrainState
from slr_accel.settings.run import Settings
from slr_accel.training.health_watch import HealthWatch
from slr_accel.training.step_work import StepWork
from slr_accel.training.throughput import Throughput
from slr_accel.training.tracking import Display, MetricsFile, draw_curves
from slr_accel.training.wandb_run import WandbRun, start_wandb


class RunLog:
    """metrics.jsonl, wandb, curves.png and the terminal, behind `log` and `say`.

    `total_steps` is where the run ends, `planned_steps` what its schedule spans: with --max_steps
    a trial is judged as the beginning of the whole run.
    """

    def __init__(
        self,
        settings: Settings,
        run: RunFolder,
        *,
        is_main: bool,
        total_steps: int,
        planned_steps: int,
        state: TrainState,
    ) -> None:
        self._run = run
        self._is_main = is_main
        self.wandb_id = state.wandb_id
        self._throughput = Throughput()
        self._wandb: WandbRun | None = None
        if is_main:
            self._metrics = MetricsFile(run.metrics, state.metrics_bytes)
            earlier = read_records(run.metrics)
            self._expected = expected(settings.health.milestones, planned_steps)
            self._watch = HealthWatch(settings.health, earlier, state.alarms, planned_steps)
            self._wandb = start_wandb(settings, run.path, state.wandb_id)
            if self._wandb is not None:
                self.wandb_id = self._wandb.id
            epochs = settings.training.num_epochs
            epoch = min(state.epoch + 1, epochs)  # a complete run has no next epoch
            self._display = Display(total_steps, state.step, epochs=epochs, epoch=epoch)
            if state.validations:
                self._display.figures(state.step, {"wer": state.validations[-1][1]})

    def __enter__(self) -> RunLog:
        if self._is_main:
            self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if not self._is_main:
            return
        self._display.__exit__()
        if self._wandb is not None:
            self._wandb.finish(error)
        self._metrics.close()

    def say(self, text: str) -> None:
        if self._is_main:
            self._display.line(text)

    def alert(self, title: str, text: str) -> None:
        """Prints a line and sends a wandb alert; the same title is sent once per start."""
        self.say(text)
        if self._wandb is not None:
            self._wandb.alert(title, text)

    def best(self, wer: float, step: int) -> None:
        """Records the best validation so far at wandb."""
        if self._wandb is not None:
            self._wandb.summarise({"best_wer": wer, "best_step": step})

    def hypotheses(self, rows: list[tuple[str, str, str, float]]) -> None:
        """Shows (id, reference, hypothesis, WER) of the last validation at wandb."""
        if self._wandb is not None and rows:
            self._wandb.show_hypotheses(rows)

    def leave_out(self) -> None:
        """Leaves the time since the last step out of the throughput."""
        self._throughput.leave_out()

    def step(self, step: int, epoch: int, work: StepWork) -> None:
        """Counts a step of `epoch`, which counts from 1."""
        self._throughput.step(work)
        if self._is_main:
            self._display.step(step, epoch)

    def log(self, record: dict[str, Any]) -> None:
        """Writes a record that has a `step`; training records get their speed."""
        if not self._is_main:
            return
        if "loss" in record:
            record = {**record, **self._throughput.figures()}
        self.leave_out()
        self._metrics.write(record)
        if self._wandb is not None:
            self._wandb.log(record)
        self._display.figures(record["step"], record)
        for finding in self._watch.look(record):
            self.alert(finding.code, f"{finding.severity}: {finding.code}: {finding.message}")

    @property
    def collapse(self) -> Finding | None:
        """The alarm that ends the run, on the first process."""
        return self._watch.collapse if self._is_main else None

    @property
    def alarms(self) -> dict[str, Any]:
        """The alarms that are raised, as a checkpoint keeps them."""
        return self._watch.raised if self._is_main else {}

    @property
    def metrics_bytes(self) -> int:
        return self._metrics.size if self._is_main else 0

    def draw(self) -> Path | None:
        """Draws curves.png from metrics.jsonl; None where there is none."""
        if not self._is_main:
            return None
        path = self._run.path / "curves.png"
        try:
            draw_curves(read_records(self._run.metrics), path, self._expected)
        except OSError as error:  # a missing picture is no reason for a run to fail
            self.say(f"warning: {path} could not be drawn ({error.strerror})")
            return None
        return path
