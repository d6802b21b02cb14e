"""What wandb is told of a run: settings, figures, alerts, the end. Never asks for a key."""

from __future__ import annotations

import os
import sys
from configparser import ConfigParser
from configparser import Error as ConfigError
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slr_accel.corpus.remote import without_secrets
from slr_accel.errors import RunError
from slr_accel.settings.run import Settings

HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
"""wandb's own servers: `wandb login` notes a key under the second since 0.31, and takes either."""
MODES = ("disabled", "offline", "online", "shared", "dryrun", "run")
"""That wandb knows; the last two are older names."""
MOST_HYPOTHESES = 200
"""Rows of the table."""
HYPOTHESIS_COLUMNS = ["id", "reference", "hypothesis", "WER"]


def wandb_mode(given: str | None) -> str:
    """Without a key wandb is off unless a mode is given. ValueError if it cannot be."""
    mode, hosts = given or os.environ.get("WANDB_MODE"), _hosts()
    if mode not in (None, "", *MODES):
        raise ValueError(f"WANDB_MODE is {mode!r}; set it to one of {', '.join(MODES)}")
    if mode == "online" and not _has_key(hosts):
        raise ValueError(
            f"wandb_mode online needs a key for {hosts[0]}: run `wandb login` (of a server of your "
            "own with --host ADDRESS), or use offline"
        )
    return mode or ("online" if _has_key(hosts) else "disabled")


def _has_key(hosts: tuple[str, ...]) -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        known = netrc(Path(os.environ.get("NETRC") or "~/.netrc").expanduser()).hosts
    except (OSError, UnicodeDecodeError, NetrcParseError):
        return False
    return any(host in known for host in hosts)


def _hosts() -> tuple[str, ...]:
    """Where wandb is: host and port, as `wandb login` writes them to ~/.netrc."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or _saved_address()).netloc
    return HOSTS if not host or host in HOSTS else (host,)


def _saved_address() -> str:
    """Of the server that `wandb login --host` was given; importing wandb to ask it is slow."""
    folder = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()
    settings = ConfigParser(interpolation=None)
    try:
        settings.read(folder / "settings", encoding="utf-8")
    except (OSError, UnicodeDecodeError, ConfigError):
        return ""
    return settings.get("default", "base_url", fallback="")


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
    """wandb.init, which also sends the command line: without the passwords in its addresses.

    Raises:
        RunError: it did not start, for want of a network, say.
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
