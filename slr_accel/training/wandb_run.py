"""What wandb is told of a run: settings, figures, alerts, the end. Never asks for a key."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from slr_accel.corpus.remote import without_secrets
from slr_accel.settings import Settings

MOST_HYPOTHESES = 200
"""Rows of the table."""
HYPOTHESIS_COLUMNS = ["id", "reference", "hypothesis", "WER"]


def wandb_mode(given: str | None) -> str:
    """Without a key wandb is off unless a mode is given. ValueError if it cannot be."""
    mode = given or os.environ.get("WANDB_MODE")
    if mode == "online" and not _has_key():
        raise ValueError("wandb_mode online needs a key: run `wandb login`, or use offline")
    return mode or ("online" if _has_key() else "disabled")


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        return "api.wandb.ai" in netrc.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def start_wandb(settings: Settings, folder: Path, run_id: str | None) -> WandbRun | None:
    """The run of this folder, which goes on where it has an id; None where wandb is off."""
    mode: Any = wandb_mode(settings.training.wandb_mode)
    if mode == "disabled":
        return None
    run = init_wandb(
        project=settings.training.wandb_project,
        group=settings.training.wandb_group,
        name=folder.resolve().name,
        dir=folder,
        id=run_id,
        resume="allow",
        mode=mode,
        config={**settings.flat(), "data_dir": without_secrets(settings.training.data_dir)},
    )
    # A step taken again after a crash would be dropped on wandb's own axis.
    run.define_metric("*", step_metric="step")
    return WandbRun(run)


def init_wandb(**options: Any) -> Any:
    """wandb.init, which also sends the command line: without the passwords in its addresses."""
    import wandb

    words = sys.argv
    sys.argv = [without_secrets(word) for word in words]
    try:
        return wandb.init(settings=wandb.Settings(silent=True), **options)
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
        """Sets figures of the run as a whole, e.g. best_wer."""
        self._run.summary.update(figures)

    def alert(self, title: str, text: str) -> None:
        """Tells whoever has alerts switched on; the same title once a start."""
        if title not in self._alerted:
            self._alerted.add(title)
            self._run.alert(title=title, text=text)

    def show_hypotheses(self, rows: list[tuple[str, str, str, float]]) -> None:
        """A table of (id, reference, hypothesis, WER)."""
        import wandb

        table = wandb.Table(columns=HYPOTHESIS_COLUMNS, data=[list(row) for row in rows])
        self._run.log({"hypotheses": table})

    def finish(self, error: BaseException | None) -> None:
        """Ends the run at wandb; where an error ended it, its summary says which."""
        if error is not None:
            self.summarise({"error": str(error) or type(error).__name__})
        self._run.finish(exit_code=0 if error is None else 1)
