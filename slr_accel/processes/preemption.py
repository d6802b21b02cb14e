"""Remembers signals that ask a run to stop, so that all processes stop at the same step."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import torch

from slr_accel.errors import ending_signals

RETRY = 75
"""Exit code after any signal but Ctrl-C: the same command continues (EX_TEMPFAIL of sysexits.h)."""


class StopRequest:
    """While entered, a signal only sets `signal`; a second Ctrl-C stops at once.

    The signals are SIGTERM, SIGUSR1 (which SLURM sends before the time of a job is up), Ctrl-C, and
    SIGHUP of a terminal that is closed, unless it is ignored, as behind nohup.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopRequest:
        for number in (*ending_signals(), signal.SIGUSR1):
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
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
        """Whether any process was asked to stop; all must call this together."""
        own = torch.tensor([float(self.signal is not None)], device=accelerator.device)
        return bool(accelerator.reduce(own, reduction="sum").item())
