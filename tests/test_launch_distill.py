"""launch/distill.sh trains teachers, gives them to a student, and scores all."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "launch" / "distill.sh"


def commands(folder: Path, *words: str, **environment: str) -> list[list[str]]:
    """What the script starts, without the options of `accelerate launch`."""
    for name in ("accelerate", "slr-accel"):
        program = folder / name
        program.write_text('#!/bin/bash\necho "${@@Q}" >>"$LOG"\n')
        program.chmod(0o755)
    own = {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(folder / "log"), **environment}
    subprocess.run(["bash", SCRIPT, *words], env={**os.environ, **own}, check=True)
    lines = [shlex.split(line) for line in (folder / "log").read_text().splitlines()]
    return [words[words.index("-m") + 1 :] for words in lines]


def test_a_student_is_taught_by_each_teacher_and_all_are_scored(tmp_path: Path) -> None:
    runs, own = tmp_path / "my runs", tmp_path / "own.yaml"
    found = commands(
        tmp_path, "a corpus", str(runs), "--seed", "2", TEACHERS=f"wlasl50_teacher {own}"
    )
    shared = ["--data_dir", "a corpus", "--output_dir"]
    group = ["--wandb_group", "my runs", "--recipe"]
    teachers = [str(runs / "wlasl50_teacher"), str(runs / "own")]
    student = str(runs / "student")
    assert found == [
        ["slr_accel.train", *shared, teachers[0], *group, "wlasl50_teacher"],
        ["slr_accel.train", *shared, teachers[1], *group, str(own)],
        [
            *("slr_accel.train", *shared, student, *group, "wlasl50_distilled"),
            *("--teacher", teachers[0], "--teacher", teachers[1], "--seed", "2"),
        ],
        *(["slr_accel.cli", "evaluate", r, "--split", "dev"] for r in [*teachers, student]),
    ]


def test_without_a_corpus_and_a_folder_it_says_what_is_missing() -> None:
    for words in (["corpus"], ["corpus", "--seed"]):
        done = subprocess.run(["bash", SCRIPT, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "give a corpus and a folder" in done.stderr


def test_two_runs_of_one_name_are_refused_before_any_training(tmp_path: Path) -> None:
    for teachers in ("own/student.yaml", "a/t.yaml b/t.yaml"):
        environment = {**os.environ, "TEACHERS": teachers}
        done = subprocess.run(
            ["bash", SCRIPT, "corpus", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == 2 and "two runs would go to" in done.stderr
