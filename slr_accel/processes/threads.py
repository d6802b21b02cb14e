"""Chooses how the threads of a CPU wait for each other."""

from __future__ import annotations

import os
import sys

WAIT_POLICY = "OMP_WAIT_POLICY"
CHOSEN_ALREADY = (WAIT_POLICY, "GOMP_SPINCOUNT")
WATCHED_SECONDS = 0.2
FREE_SHARE = 0.75
"""The share of the wanted cores that must be free for threads to spin."""


def yield_to_other_programs() -> str | None:
    """Lets waiting threads sleep where other programs leave them too few cores.

    By default they spin, which is twice as fast on free cores. But where another program has the
    core of one thread, the others spin while they wait for it, and training is ten times slower.
    Must come before torch is imported, since OpenMP decides when it is loaded.

    Returns:
        A line for the log; None where nothing was changed.
    """
    if "torch" in sys.modules or any(name in os.environ for name in CHOSEN_ALREADY):
        return None
    import psutil

    shares = psutil.cpu_percent(WATCHED_SECONDS, percpu=True)
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(shares))
    busy = sum(shares[core] for core in own if core < len(shares)) / 100
    threads = os.environ.get("OMP_NUM_THREADS", "")
    wanted = int(threads) if threads.isdigit() else len(own)
    if wanted == 1 or len(own) - busy > FREE_SHARE * wanted:
        return None
    os.environ[WAIT_POLICY] = "PASSIVE"
    return (
        f"other programs keep {busy:.1f} of {len(own)} cores busy: threads sleep while they wait "
        f"for each other ({WAIT_POLICY}=PASSIVE)"
    )
