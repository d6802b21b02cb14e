"""Jobs in several processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slr_accel.video.workers import WorkerDiedError, run_jobs


def work(job: str) -> None:
    if job == "wrong":
        raise ValueError("this is wrong")
    if job == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "exits":
        os._exit(3)
    if job.startswith("/"):
        Path(job).write_text(str(os.getpid()))
        time.sleep(1000)


def results(jobs: list[str], num_workers: int) -> dict[int, Exception | None]:
    ended = list(run_jobs(work, jobs, num_workers))
    assert len(ended) == len({number for number, _ in ended})
    return dict(ended)


@pytest.mark.parametrize("num_workers", [1, 2, 9])
def test_every_job_ends_once_whatever_happens_to_others(num_workers: int) -> None:
    jobs = ["good", "wrong", "killed", "good", "exits", "killed", "good"]
    ended = results(jobs, num_workers)
    assert sorted(ended) == list(range(len(jobs)))
    for number, job in enumerate(jobs):
        error = ended[number]
        if job == "good":
            assert error is None
        elif job == "wrong":
            assert type(error) is ValueError
            assert str(error) == "this is wrong"
        else:
            assert isinstance(error, WorkerDiedError)
            assert ("SIGKILL" if job == "killed" else "exit code 3") in str(error)


def test_no_jobs_start_no_process() -> None:
    assert results([], 2) == {}


def test_leaving_early_ends_the_processes(tmp_path: Path) -> None:
    hanging = str(tmp_path / "pid")
    jobs = run_jobs(work, ["good", hanging], 1)
    assert next(jobs) == (0, None)
    second = run_jobs(work, [hanging, "wrong"], 2)
    assert next(second)[0] == 1
    pid = _written_pid(tmp_path / "pid")
    second.close()
    jobs.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


START = """
import sys
from test_workers import work
from slr_accel.video.workers import run_jobs
if __name__ == "__main__":
    list(run_jobs(work, [sys.argv[1]], 1))
"""


def test_a_killed_command_leaves_no_process_at_work(tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text(START)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "start.py"), str(tmp_path / "pid")],
        env={**os.environ, "PYTHONPATH": paths},
    )
    pid = _written_pid(tmp_path / "pid")
    run.kill()
    run.wait()
    deadline = time.monotonic() + 20
    while _is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _written_pid(path: Path) -> int:
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return int(path.read_text())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that ended stays in the table until its parent, now another's child, is told.
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
