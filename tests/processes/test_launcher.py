"""Options of the launcher are not lost in silence, and no process outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from run_helpers import SMALL, lines, metrics, wait_for, workers

from slr_accel.processes.launcher import check_options, option

LAUNCH = (sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch")
CHECK = "from slr_accel.processes.launcher import check_options; check_options({})"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ACCELERATE_") or name in ("MASTER_ADDR", "WORLD_SIZE"):
            monkeypatch.delenv(name)


def checked(script: Path, *words: str, accumulation: int = 1) -> str:
    """What the launcher's process says of its options."""
    script.write_text(CHECK.format(accumulation))
    done = subprocess.run([*LAUNCH, *words, str(script)], capture_output=True, text=True)
    return done.stderr


def test_options_that_accelerate_would_lose_are_refused_by_the_process_it_starts(
    tmp_path: Path,
) -> None:
    text = checked(
        *(tmp_path / "script.py", "--cpu", "--num_processes", "2"),
        *("--gradient_accumulation_steps=4", "--dynamo_backend", "inductor"),
    )
    assert "give --accumulation_steps 4 behind the script" in text
    assert "--dynamo_backend inductor would compile the LSTM" in text
    assert "several processes on the CPU were asked for" in text


@pytest.mark.slow
def test_options_that_say_what_the_settings_say_are_accepted(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    words = ("--cpu", "--num_processes", "1", "--gradient-accumulation-steps", "4")
    assert "cannot be used" not in checked(script, *words, accumulation=4)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", "--accumulation_steps 4"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "auto", None),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "2", None),
        ("ACCELERATE_DYNAMO_BACKEND", "NO", None),
        ("ACCELERATE_DYNAMO_BACKEND", "EAGER", "--dynamo_backend eager"),
        ("MASTER_ADDR", "10.0.0.1", None),
    ],
)
def test_variables_count_as_the_options_that_set_them(
    name: str, value: str, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    if told is None:
        check_options(2)
        return
    with pytest.raises(ValueError, match=told):
        check_options(2)


def test_words_behind_the_script_are_not_the_launchers() -> None:
    words = ["--num_machines", "1", "-m", "slr_accel.train", "--gradient_accumulation_steps", "4"]
    assert option(words, "gradient_accumulation_steps") is None
    assert option(words, "num_machines") == "1"


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize(
    ("config", "processes", "number"),
    [("cpu", 1, signal.SIGTERM), ("cpu_2proc", 2, signal.SIGUSR1)],
)
def test_no_process_outlives_its_launcher_and_the_run_is_saved(
    config: str, processes: int, number: signal.Signals, tiny_corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = {
        "recipe": "none",
        "data_dir": tiny_corpus,
        "output_dir": run,
        **SMALL,
        "epochs": 1000,
    }
    settings |= {"eval_steps": 10**6}
    words = [f"--{name}={value}" for name, value in settings.items()]
    program = ("-m", "slr_accel.train")
    launcher = subprocess.Popen(
        [*LAUNCH, f"--config_file=accelerate_configs/{config}.yaml", *program, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert wait_for(lambda: lines(run) >= 4, launcher)
    started = workers(launcher)
    assert len(started) >= processes
    launcher.send_signal(number)
    launcher.wait(timeout=60)
    end = time.monotonic() + 30
    while any(map(alive, started)):
        assert time.monotonic() < end, "a process was left behind"
        time.sleep(0.1)
    saved = max((run / "checkpoints").glob("step_????????"))
    assert int(saved.name.removeprefix("step_")) == metrics(run)[-1]["step"]
