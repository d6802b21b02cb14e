"""Started in place of `-m slr_accel.train`: trains with a fault in some micro-batches of a process.

    sabotage.py FAULT RANK FIRST END SETTINGS OF train

FAULT is `loss` or `gradient`, which is then not finite, or a file that is not there: the process
makes it and is killed. Micro-batches [FIRST, END) are those of the process, since it was started.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

import torch

from slr_accel.errors import reported
from slr_accel.train import main
from slr_accel.training import step
from slr_accel.training.losses import Term

terms_of = step.loss_terms


def sabotage(fault: str, rank: int, first: int, end: int) -> None:
    counted = itertools.count()

    def losses(*arguments):
        terms = terms_of(*arguments)
        if int(os.environ.get("RANK", "0")) != rank or not first <= next(counted) < end:
            return terms
        loss = terms["ctc"].sum
        if fault == "loss":
            return terms | {"ctc": Term(1.0, loss * torch.inf)}
        if fault == "gradient":  # the value stays, the slope of a root at 0 is infinite
            return terms | {"ctc": Term(1.0, loss + (loss - loss.detach()).sqrt() * 0)}
        if not Path(fault).exists():
            Path(fault).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return terms

    step.loss_terms = losses


if __name__ == "__main__":
    fault, rank, first, end, *settings = sys.argv[1:]
    sabotage(fault, int(rank), int(first), int(end))
    with reported():
        sys.exit(main(settings))
