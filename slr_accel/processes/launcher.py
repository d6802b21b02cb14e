"""Knows the launcher, `accelerate launch` or torchrun, that started this process: ends with it, and
tells which of its options would be lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence

POLL = 0.5
"""Seconds from one look for the launcher to the next."""
_MARKS = ("ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID")
"""Variables that the launchers set for what they start."""
_NAMES = ("accelerate", "torchrun", "torch.distributed", "deepspeed")
_SCRIPT = ("-m", "--module")


def _launcher() -> tuple[int, list[str], dict[str, str]] | None:
    """The id, the command line and the environment of the launcher, if one started this process."""
    if not any(mark in os.environ for mark in _MARKS):
        return None
    import psutil

    parent = os.getppid()
    try:
        process = psutil.Process(parent)
        words, environment = process.cmdline(), process.environ()
    except psutil.Error:
        return None
    program = " ".join(words[:4])
    return (parent, words, environment) if any(name in program for name in _NAMES) else None


def end_with_launcher() -> None:
    """Sends this process SIGTERM when its launcher ends without it, so that it saves and ends.

    A launcher that is killed, or gets a signal it does not know, would leave processes behind that
    nobody can stop, and that keep the run locked.
    """
    launcher = _launcher()
    if launcher is not None:
        watch = threading.Thread(target=_watch, args=(launcher[0],), daemon=True)
        watch.start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL)
    os.kill(os.getpid(), signal.SIGTERM)


def check_options(accumulation: int) -> None:
    """Refuses options of the launcher that nothing would come of.

    Args:
        accumulation: micro-batches that a process accumulates, by the settings of the run.

    Raises:
        ValueError: names them, and what to give instead.
    """
    launcher = _launcher()
    words, environment = launcher[1:] if launcher else ([], dict(os.environ))
    words = words[words.index("launch") + 1 :] if "launch" in words else []
    problems = [
        *_lost_accumulation(words, accumulation),
        *_whole_model_compiled(),
        *_single_process(environment),
    ]
    if problems:
        raise ValueError(
            "options of accelerate launch that cannot be used:\n  " + "\n  ".join(problems)
        )


def _lost_accumulation(words: Sequence[str], accumulation: int) -> list[str]:
    asked = option(words, "gradient_accumulation_steps") or os.environ.get(
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1"
    )
    if not asked.isdigit() or int(asked) in (1, accumulation):
        return []  # DeepSpeed's `auto` follows the settings
    return [
        f"--gradient_accumulation_steps {asked} has no effect on slr_accel: give "
        f"--accumulation_steps {asked} behind the script instead"
    ]


def _whole_model_compiled() -> list[str]:
    backend = os.environ.get("ACCELERATE_DYNAMO_BACKEND") or "no"
    if backend.lower() == "no":
        return []
    return [
        f"--dynamo_backend {backend.lower()} would compile the LSTM too, which takes minutes: "
        "leave it out, and give --compile behind the script"
    ]


def _single_process(environment: dict[str, str]) -> list[str]:
    """Where several processes on the CPU were asked for, accelerate (1.15) starts one."""
    added = "MASTER_ADDR" in os.environ and "MASTER_ADDR" not in environment
    if not added or "WORLD_SIZE" in os.environ:
        return []
    return [
        "several processes on the CPU were asked for, but accelerate has started one: use "
        "--config_file accelerate_configs/cpu_2proc.yaml, with --num_processes where it is not 2"
    ]


def option(words: Sequence[str], name: str) -> str | None:
    """The value of a launcher's option in its command line, up to the script that it starts."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        key, equals, value = word.partition("=")
        if key in _SCRIPT or word.endswith(".py"):
            return None
        if key.startswith("--") and key[2:].replace("-", "_") == name:
            return value if equals else following
    return None
