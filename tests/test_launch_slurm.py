"""The train scripts heed signals; the SLURM ones give their job back. With stand-ins for SLURM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from run_helpers import SMALL, TrainCommand, last_weights, metrics

from slr_accel.corpus.reader import open_corpus

ROOT = Path(__file__).parents[1]

SRUN = """#!/usr/bin/env bash
# As srun: a task a node, signals passed on to the tasks, the highest exit code.
while [[ $1 == --* ]]; do shift; done
pids=() worst=0 again=yes
for ((node = 0; node < SLURM_NNODES; node++)); do
    SLURM_NODEID=$node "$@" &
    pids+=($!)
done
trap 'again=yes; kill -USR1 "${pids[@]}"' USR1
while [ -n "$again" ]; do
    again=
    for pid in "${pids[@]}"; do
        wait "$pid"; code=$?
        [ -n "$again" ] && break
        [ "$code" -gt "$worst" ] && worst=$code
    done
done
exit "$worst"
"""
SCONTROL = """#!/usr/bin/env bash
case "$1 $2" in
    "show hostnames") printf '127.0.0.1\\nother\\n' ;;
    *) echo "$@" >>"$SLURM_SUBMIT_DIR/scontrol.log" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the scripts need of a clone, in a folder with spaces, with stand-ins for SLURM."""
    folder = tmp_path / "my clone"
    folder.mkdir()
    for name in ("launch", "accelerate_configs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "bin").mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return folder


def start(clone: Path, script: str, corpus: Path, *first: str) -> subprocess.Popen[str]:
    settings = {
        "recipe": "none",
        "data_dir": corpus,
        "output_dir": "my runs/one",
        **SMALL,
        "epochs": 6,
    }
    settings |= {"micro_batches_per_step": 2, "save_steps": 2}
    environment = {
        "PATH": f"{clone / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "SLURM_SUBMIT_DIR": str(clone),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_NNODES": "2",
        "CONFIG": "accelerate_configs/cpu_2proc.yaml",
    }
    words = [f"--{name}={value}" for name, value in settings.items()]
    return subprocess.Popen(
        [f"launch/{script}", *first, *words],
        cwd=clone,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def signal_after(process: subprocess.Popen[str], run: Path, count: int) -> str:
    """USR1 to the script alone, as SLURM does; returns what was printed."""
    path = run / "metrics.jsonl"
    end = time.monotonic() + 150
    while not path.exists() or len(path.read_bytes().splitlines()) < count:
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    return process.communicate(timeout=150)[0]


@pytest.fixture(scope="module")
def uninterrupted(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    train.run(run, processes=2, epochs=6, micro_batches_per_step=2, save_steps=2)
    return run


CPU = ("--config_file", "accelerate_configs/cpu.yaml", "--")


@pytest.mark.distributed
@pytest.mark.parametrize("first", [(), CPU], ids=["two processes", "one process"])
@pytest.mark.slow
def test_train_exits_with_75_after_a_signal_and_continues(
    clone: Path, tiny_corpus: Path, uninterrupted: Path, first: tuple[str, ...]
) -> None:
    run = clone / "my runs" / "one"
    process = start(clone, "train.sh", tiny_corpus, *first)
    output = signal_after(process, run, 8)
    assert process.returncode == 75, output
    assert "SIGUSR1: saved at step" in output
    process = start(clone, "train.sh", tiny_corpus, *first)
    output, _ = process.communicate(timeout=150)
    assert process.returncode == 0, output
    if not first:
        assert metrics(run) == metrics(uninterrupted)


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize("script", ["slurm_single_node.sbatch", "slurm_multi_node.sbatch"])
def test_a_job_is_requeued_upon_the_signal_and_continues(
    clone: Path, tiny_corpus: Path, uninterrupted: Path, script: str
) -> None:
    run = clone / "my runs" / "one"
    process = start(clone, script, tiny_corpus)
    output = signal_after(process, run, 8)
    assert process.returncode == 0, output
    assert (clone / "scontrol.log").read_text() == f"requeue {os.getpid()}\n"
    process = start(clone, script, tiny_corpus)
    output, _ = process.communicate(timeout=150)
    assert process.returncode == 0, output
    assert "requeued" not in output
    assert metrics(run) == metrics(uninterrupted)
    np.testing.assert_equal(last_weights(run), last_weights(uninterrupted))
    starts = json.loads((run / "environment.json").read_text())["starts"]
    assert [s["world_size"] for s in starts] == [2, 2]


def test_a_wrong_setting_is_no_reason_to_requeue(clone: Path, tiny_corpus: Path) -> None:
    process = start(clone, "slurm_single_node.sbatch", tiny_corpus, *CPU, "--dropout=7")
    output, _ = process.communicate(timeout=150)
    assert process.returncode == 2 and "dropout" in output
    assert not (clone / "scontrol.log").exists()


def test_evaluate_scores_a_run(clone: Path, uninterrupted: Path) -> None:
    process = subprocess.run(
        ["launch/evaluate.sh", *CPU, str(uninterrupted), "--split", "dev"],
        cwd=clone,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0 and "dev: WER" in process.stdout, process.stderr


@pytest.mark.slow
def test_an_array_job_prepares_parts_and_the_last_task_joins_them(clone: Path) -> None:
    folder = clone / "my arrays"
    folder.mkdir()
    rows = ["id,split,features,labels"]
    for number in range(5):
        np.save(folder / f"{number}.npy", np.full((4, 3), number, np.float32))
        rows.append(f"s{number},train,{number}.npy,A")
    (folder / "index.csv").write_text("\n".join(rows))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SLURM_SUBMIT_DIR": str(clone),
        "SLURM_ARRAY_TASK_COUNT": "2",
        "SLURM_ARRAY_TASK_MIN": "1",
    }
    words = ["manifest", "--index", "my arrays/index.csv", "--out", "my corpora/one"]

    def task(number: int) -> str:
        return subprocess.run(
            ["launch/slurm_prepare.sbatch", *words],
            cwd=clone,
            env={**os.environ, **environment, "SLURM_ARRAY_TASK_ID": str(number)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    corpus = clone / "my corpora" / "one"
    task(2)
    task(2)  # Submitted again: its part is kept.
    assert not corpus.exists()
    task(1)
    assert open_corpus(corpus).rows.id(4) == "s4"
    assert "is there already" in task(1)
