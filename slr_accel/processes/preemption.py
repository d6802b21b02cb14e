"""Signals that ask for an end: remembered, and acted upon by all processes together."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

import torch

RETRY = 75
"""Exit code after all signals but Ctrl-C: the same command continues (sysexits.h: EX_TEMPFAIL)."""


class StopRequest:
    """While entered, signals only set `signal`; a second Ctrl-C ends at once.

    SIGTERM; SIGUSR1, which SLURM is asked to send before a job's time is up; Ctrl-C; and SIGHUP,
    of a terminal that is closed, unless it is ignored, as behind nohup.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP):
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.signal is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)

    @property
    def name(self) -> str:
        return "another process was stopped" if self.signal is None else self.signal.name

    @property
    def exit_code(self) -> int:
        return 130 if self.signal is signal.SIGINT else RETRY

    def is_anywhere(self, accelerator: Any) -> bool:
        """Whether some process was asked to stop; all must call this together."""
        own = torch.tensor([float(self.signal is not None)], device=accelerator.device)
        return bool(accelerator.reduce(own, reduction="sum").item())
