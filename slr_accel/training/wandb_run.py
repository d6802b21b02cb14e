"""Reports a run to wandb: settings, figures, alerts and how it ended. Never asks for a key."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from slr_accel.corpus.remote import without_secrets
from slr_accel.errors import RunError
from slr_accel.settings.run import Settings

MODES = ("disabled", "offline", "online", "shared", "dryrun", "run")
"""The modes that wandb knows; the last two are older names."""
MOST_HYPOTHESES = 200
"""Rows of the table of hypotheses."""
HYPOTHESIS_COLUMNS = ["id", "reference", "hypothesis", "WER"]


def wandb_mode(given: str | None) -> str:
    """The mode that is given, else that of WANDB_MODE or WANDB_DISABLED; else online with a key,
    disabled without.

    Raises:
        ValueError: there is no such mode, or no key for mode online.
    """
    mode = given or os.environ.get("WANDB_MODE")
    if not mode and os.environ.get("WANDB_DISABLED", "").lower() in ("1", "true", "yes"):
        return "disabled"
    if mode not in (None, "", *MODES):
        raise ValueError(f"WANDB_MODE is {mode!r}; set it to one of {', '.join(MODES)}")
    if mode and mode != "online":
        return mode
    server = _server_without_key()
    if server is None:
        return "online"
    if mode:
        raise ValueError(
            f"wandb_mode online needs a key for {server}: run `wandb login` (for a server of your "
            "own with --host ADDRESS), or use offline"
        )
    return "disabled"


def _server_without_key() -> str | None:
    """The address of the wandb server, or None where there is a key for it. Imports wandb: slow."""
    if os.environ.get("WANDB_API_KEY"):
        return None
    import wandb

    found = wandb.setup(settings=wandb.Settings(silent=True, mode="online"))
    try:
        return None if _has_key(wandb) else str(found.settings.base_url)
    except (wandb.errors.Error, UnicodeDecodeError):  # ~/.netrc holds something else
        return str(found.settings.base_url)
    finally:
        wandb.teardown()


def _has_key(wandb: Any) -> bool:
    try:
        return bool(wandb.login(prompt=False, verify=False))
    except TypeError:  # before 0.31, which the extra `video` needs, `login` always asks
        return wandb.api.api_key is not None


def start_wandb(settings: Settings, folder: Path, run_id: str | None) -> WandbRun | None:
    """Starts the run of this folder at wandb, or continues the one with `run_id`.

    Returns:
        None where wandb is disabled.
    """
    mode: Any = wandb_mode(settings.training.wandb_mode)
    if mode == "disabled":
        return None
    run = init_wandb(
        project=project_of(settings),
        group=settings.training.wandb_group,
        name=os.environ.get("WANDB_NAME") or folder.resolve().name,
        dir=folder,
        id=run_id,
        resume="allow",
        mode=mode,
        config={**settings.flat(), "data_dir": without_secrets(settings.training.data_dir)},
    )
    # On wandb's own axis, a step that is repeated after a crash would be dropped.
    run.define_metric("*", step_metric="step")
    return WandbRun(run)


def project_of(settings: Settings) -> str:
    """The project that is given, else that of WANDB_PROJECT, else the default."""
    training = settings.training
    if "wandb_project" in training.model_fields_set:
        return training.wandb_project
    return os.environ.get("WANDB_PROJECT") or training.wandb_project


def init_wandb(**options: Any) -> Any:
    """Calls wandb.init, which also sends the command line: without passwords in its addresses.

    Raises:
        RunError: wandb did not start, e.g. because there is no network.
    """
    import wandb

    words = sys.argv
    sys.argv = [without_secrets(word) for word in words]
    try:
        return wandb.init(settings=wandb.Settings(silent=True), **options)
    except wandb.errors.Error as error:
        raise RunError(
            f"wandb did not start ({error}); where it cannot be reached, add --wandb_mode offline "
            "(`wandb sync` sends the run later) or disabled"
        ) from None
    finally:
        sys.argv = words


class WandbRun:
    """A run at wandb while it trains."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._alerted: set[str] = set()

    @property
    def id(self) -> str:
        return str(self._run.id)

    def log(self, record: dict[str, Any]) -> None:
        self._run.log(record)

    def summarise(self, figures: dict[str, Any]) -> None:
        """Sets figures of the whole run, e.g. best_wer."""
        self._run.summary.update(figures)

    def alert(self, title: str, text: str) -> None:
        """Sends an alert to those who have switched alerts on; each title once a start."""
        if title not in self._alerted:
            self._alerted.add(title)
            self._run.alert(title=title, text=text)

    def show_hypotheses(self, rows: list[tuple[str, str, str, float]]) -> None:
        """Logs a table of (id, reference, hypothesis, WER)."""
        import wandb

        table = wandb.Table(columns=HYPOTHESIS_COLUMNS, data=[list(row) for row in rows])
        self._run.log({"hypotheses": table})

    def finish(self, error: BaseException | None) -> None:
        """Ends the run at wandb; the summary holds the error that ended it, if any."""
        if error is not None:
            self.summarise({"error": str(error) or type(error).__name__})
        self._run.finish(exit_code=0 if error is None else 1)
