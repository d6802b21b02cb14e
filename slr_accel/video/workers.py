"""Runs jobs in several processes; a process that dies loses only its own job.

concurrent.futures would give up all jobs, without naming the one that failed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Thread
from typing import TypeVar

Job = TypeVar("Job")


class WorkerDiedError(ValueError):
    """The process that worked on a job ended without a result."""


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    connection: Connection
    job: int


def run_jobs(
    work: Callable[[Job], None], jobs: Sequence[Job], num_workers: int
) -> Iterator[tuple[int, Exception | None]]:
    """Runs `work` on each job. Yields (number of the job, its exception) as jobs end.

    Args:
        work: picklable, as are the jobs and its exceptions.
    """
    waiting = iter(range(len(jobs)))
    workers: list[_Worker] = []
    try:
        for job in islice(waiting, num_workers):
            workers.append(_start(work, jobs, job))
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [w for w in workers if w.connection in ready]:
                error, alive = _result(worker)
                yield worker.job, error
                following = next(waiting, None)
                if alive and following is not None:
                    _give(worker, jobs, following)
                    continue
                workers.remove(worker)
                _stop(worker)
                if following is not None:
                    workers.append(_start(work, jobs, following))
    finally:
        for worker in workers:
            _stop(worker)


def _start(work: Callable[[Job], None], jobs: Sequence[Job], job: int) -> _Worker:
    # Spawned, not forked: the threads of libraries would not survive a fork.
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    # Each process holds one end alone: when either dies, the other reads an end of file.
    theirs.close()
    worker = _Worker(process, ours, job)
    _give(worker, jobs, job)
    return worker


def _give(worker: _Worker, jobs: Sequence[Job], job: int) -> None:
    worker.job = job
    # Reading its result finds out about a dead worker.
    with suppress(OSError):
        worker.connection.send(jobs[job])


def _serve(connection: Connection, work: Callable[[Job], None]) -> None:
    # Ctrl-C goes to all processes of a terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=die_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            try:
                work(job)
            except Exception as error:
                connection.send(error)
            else:
                connection.send(None)


def die_with_parent() -> None:
    """Ends this process with its parent: its job would compete with that of the next run."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _result(worker: _Worker) -> tuple[Exception | None, bool]:
    """(exception of the job, whether the worker is alive)"""
    try:
        return worker.connection.recv(), True
    except (EOFError, OSError):
        worker.process.join()
        return WorkerDiedError(_cause_of_death(worker.process.exitcode or 0)), False


def _cause_of_death(exitcode: int) -> str:
    name = signal.Signals(-exitcode).name if exitcode < 0 else f"exit code {exitcode}"
    memory = "; too little memory is a frequent cause: try fewer --workers"
    return (
        f"the process that worked on it died ({name}){memory if name == 'SIGKILL' else ''}. "
        "The same command tries it again"
    )


def _stop(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.terminate()
    worker.process.join()
