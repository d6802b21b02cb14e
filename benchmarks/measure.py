"""Shared by the benchmarks: options, rounds in turns, tables, and the file of results."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar

import torch

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")
ACCELERATE = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"]
Found = TypeVar("Found")


def make_parser(description: str | None, rounds: int | None = None) -> argparse.ArgumentParser:
    """Makes a parser, where `rounds` is given with that default for --rounds."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if rounds is not None:
        text = f"turns of each, whose median counts [{rounds}]"
        parser.add_argument("--rounds", type=at_least(2), default=rounds, help=text)
    return parser


def at_least(least: int) -> Callable[[str], int]:
    """Returns an argparse type: a whole number of at least `least`."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return int(text)

    return number


def in_turns(acts: Mapping[str, Callable[[], Found]], rounds: int) -> dict[str, list[Found]]:
    """Calls the acts in turns, so that other work on the machine slows all of them alike."""
    found: dict[str, list[Found]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            found[name].append(act())
    return found


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Returns the seconds that an act takes, by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - clock, time.process_time() - processor


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Returns a table in Markdown."""
    names = list(columns)
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in lines)


def record(benchmark: str, details: str, *sections: str) -> None:
    """Prints the result of a benchmark and adds it to RESULTS.md.

    Args:
        benchmark: the name of its file.
        details: what the figures are, beside the date, the machine and torch's version.
    """
    heading = (
        f"## {benchmark}, {date.today()}\n\n{cpu_model()}, {os.cpu_count()} cores; torch "
        f"{torch.__version__}; {details}; `benchmarks/{benchmark}.py` says what is compared.\n"
    )
    text = "\n".join([heading, *sections])
    print(text)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write("\n" + text)


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "CPU")


def slr_accel(*words: object) -> str:
    """Runs a command in one thread and returns what it prints. Its errors end the benchmark."""
    done = subprocess.run(
        [sys.executable, "-m", "slr_accel.cli", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"`slr-accel {' '.join(map(str, words))}` ended with {done.returncode}")
    return done.stdout
