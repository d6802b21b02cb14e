"""Threads spin only on cores of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from slr_accel.processes.threads import CHOSEN_ALREADY, WAIT_POLICY, yield_to_other_programs


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 3, 5}, raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for name in (*CHOSEN_ALREADY, "OMP_NUM_THREADS"):
        # Set and taken back, so that what the function sets is taken back too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("others", "threads", "policy"),
    [
        ([0, 0, 0, 0, 0, 0], None, None),
        ([0, 100, 0, 0, 0, 0], None, "PASSIVE"),
        ([0, 20, 20, 0, 0, 0], None, None),
        ([100, 0, 0, 0, 100, 0], None, None),  # of cores that this process may not use
        ([0, 100, 0, 0, 0, 0], "3", None),
        ([0, 100, 100, 0, 0, 0], "3", "PASSIVE"),
        ([100, 100, 100, 100, 100, 100], "1", None),
    ],
)
def test_threads_sleep_where_others_leave_them_too_few_cores(
    others: list[float], threads: str | None, policy: str | None, four_cores: pytest.MonkeyPatch
) -> None:
    four_cores.setattr(psutil, "cpu_percent", lambda *_, **__: others)
    if threads is not None:
        four_cores.setenv("OMP_NUM_THREADS", threads)
    told = yield_to_other_programs()
    assert os.environ.get(WAIT_POLICY) == policy
    assert (told is None) == (policy is None)


@pytest.mark.parametrize("name", CHOSEN_ALREADY)
def test_what_the_user_chose_stays(name: str, four_cores: pytest.MonkeyPatch) -> None:
    four_cores.setattr(psutil, "cpu_percent", lambda *_, **__: [100.0] * 6)
    four_cores.setenv(name, "7")
    assert yield_to_other_programs() is None
    assert os.environ[name] == "7"


def test_nothing_loads_torch_before_the_threads_are_told() -> None:
    program = "import sys, slr_accel.train, slr_accel.commands.run_arguments as r; r.open_run; "
    program += "print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr
