"""What becomes of a run whose processes are told to stop while they validate, or die."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from run_helpers import SMALL, TrainCommand, last_weights, metrics, workers
from torch import nn

from slr_accel.corpus.reader import open_corpus
from slr_accel.ctc.decoders import greedy_decode
from slr_accel.errors import Interrupted
from slr_accel.scoring.transcribe import transcribe


def wait_for_lines(run: Path, count: int, process: subprocess.Popen[str]) -> None:
    path = run / "metrics.jsonl"
    end = time.monotonic() + 120
    while not path.exists() or len(path.read_bytes().splitlines()) < count:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.002)


def is_owed(run: Path) -> bool:
    meta = max((run / "checkpoints").glob("step_????????")) / "meta.json"
    return json.loads(meta.read_text())["owes_validation"]


@pytest.mark.slow
@pytest.mark.distributed
def test_a_validation_that_a_signal_to_one_process_cut_short_is_repeated(
    train: TrainCommand, tmp_path: Path
) -> None:
    settings = {"processes": 2, "eval_steps": 1, "micro_batches_per_step": 2, "epochs": 6}
    train.run(tmp_path / "whole", **settings)
    run = tmp_path / "run"
    for stop_after in (4, 23):
        process = train.start(run, **settings)
        wait_for_lines(run, stop_after, process)
        # Every step is validated, so wherever the signal comes, the next validation ends early.
        os.kill(workers(process)[1], signal.SIGUSR1)
        output, _ = process.communicate(timeout=120)
        assert "saved at step" in output and process.returncode != 0, output
        assert is_owed(run)
    train.run(run, **settings)
    assert metrics(run) == metrics(tmp_path / "whole")
    np.testing.assert_equal(last_weights(run), last_weights(tmp_path / "whole"))


@pytest.mark.slow
def test_a_signal_in_the_last_validation_leaves_a_run_that_ends_as_planned(
    train: TrainCommand, tmp_path: Path
) -> None:
    """The last step is taken, only its validation is owed."""
    settings = {"eval_steps": 1000, "max_steps": 9, "ema_decay": 0.9}
    train.run(tmp_path / "whole", **settings)
    run = tmp_path / "run"
    train.run(run, **settings)
    # What a signal in the validation leaves: the checkpoint of the step without its results.
    meta = max((run / "checkpoints").glob("step_????????")) / "meta.json"
    values = json.loads(meta.read_text())
    size = sum(len(line) for line in (run / "metrics.jsonl").read_bytes().splitlines(True)[:-1])
    values |= {"owes_validation": True, "best_wer": None, "best_step": 0, "metrics_bytes": size}
    meta.write_text(json.dumps(values | {"validations_without_gain": 0}))
    (run / "best").unlink()
    output = train.run(run, **settings)
    assert "continues at step 9 of 9" in output and "best WER" in output
    assert metrics(run) == metrics(tmp_path / "whole")
    assert not is_owed(run) and (run / "best" / "model.safetensors").is_file()


def wait_for_first_line(run: Path, terminal: int) -> None:
    """Reads what is shown, as a terminal does."""
    end = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").read_bytes():
        assert time.monotonic() < end
        with suppress(OSError):  # nohup shows nothing there
            if select.select([terminal], [], [], 0.01)[0]:
                os.read(terminal, 10_000)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["alone", "nohup", "train.sh"])
def test_a_terminal_that_is_closed_saves_the_run_and_behind_nohup_changes_nothing(
    how: str, tiny_corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    script = str(Path("launch/train.sh").absolute())
    program = {
        "alone": ["slr-accel", "train"],
        "nohup": ["nohup", "slr-accel", "train"],
        "train.sh": [script],
    }[how]
    settings = {"recipe": "none", **SMALL, "epochs": 12 if how == "nohup" else 1000, "log_steps": 1}
    words = [f"--{name}={value}" for name, value in settings.items()]
    words = [*program, f"--data_dir={tiny_corpus}", f"--output_dir={run}", *words]
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)  # nohup writes there
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run behind nohup
        os.execvp(words[0], words)
    wait_for_first_line(run, terminal)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == (0 if how == "nohup" else 75)
    checkpoint = max((run / "checkpoints").glob("step_????????"))
    assert int(checkpoint.name[5:]) == metrics(run)[-1]["step"]
    assert (run / "curves.png").is_file()


class OneProcess:
    device, num_processes, process_index = torch.device("cpu"), 1, 0


class Silent(nn.Module):
    def forward(self, *args: object) -> None:
        raise AssertionError("no batch should be computed any more")


def test_a_transcription_ends_between_two_batches(tiny_corpus: Path) -> None:
    corpus = open_corpus(str(tiny_corpus))
    model = Silent().train()
    with pytest.raises(Interrupted):
        transcribe(
            *(OneProcess(), model, corpus, corpus.rows.of_split("dev")),
            decoder=greedy_decode,
            batch_size=2,
            stops=lambda: True,
        )
    assert model.training


@pytest.mark.slow
@pytest.mark.distributed
def test_a_killed_process_ends_the_others_and_the_same_command_continues(
    train: TrainCommand, tmp_path: Path
) -> None:
    settings = {"processes": 2, "save_steps": 2, "micro_batches_per_step": 2, "epochs": 6}
    train.run(tmp_path / "whole", **settings)
    run = tmp_path / "run"
    process = train.start(run, **settings)
    wait_for_lines(run, 8, process)
    os.kill(workers(process)[1], signal.SIGKILL)
    before = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - before < 45, "torchrun ends the others after 30 s at the latest"
    assert process.returncode != 0
    assert "another process of this run has died; the same command continues" in output
    train.run(run, **settings)
    assert metrics(run) == metrics(tmp_path / "whole")
    np.testing.assert_equal(last_weights(run), last_weights(tmp_path / "whole"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
@pytest.mark.slow
def test_an_evaluation_that_is_told_to_stop_writes_nothing(
    train: TrainCommand, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    run = tmp_path / "run"
    train.run(run, max_steps=2)
    program = (
        "import os, signal, sys, slr_accel.commands.run_arguments as a\n"
        "from slr_accel.cli import main\n"
        "make = a.OpenedRun.transcribe\n"
        "def signalled(self, rows, **options):\n"
        f"    os.kill(os.getpid(), signal.{number.name}); return make(self, rows, **options)\n"
        "a.OpenedRun.transcribe = signalled\n"
        "main(['evaluate', sys.argv[1]])"
    )
    done = subprocess.run(
        ["python", "-c", program, str(run)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    assert done.stderr == f"{number.name}: stopped, nothing was written\n"
    assert list((run / "eval").iterdir()) == []
