"""A taught run is the same on two processes and when continued, and leaves its teachers alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from run_helpers import TrainCommand, last_weights, metrics

TAUGHT = {
    "max_steps": 8,
    "eval_steps": 100,
    "optimizer": "sgd",
    "accumulation_steps": 2,
    "auxiliary_weight": 0.5,
    "ema_decay": 0.9,
    "block_dropout": 0.1,
    "sequence_weight": 0.2,
    "feature_matching_weight": 0.5,
    "self_distillation_weight": 0.1,
    "mean_teacher_weight": 0.1,
    "distillation_frames": "symmetric",
    "teacher_shift": 1,
}
TERMS = {
    *("distillation", "early_distillation", "sequence", "feature_matching"),
    *("self_distillation", "mean_teacher"),
}


@pytest.fixture(scope="module")
def teacher(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "a teacher"
    train.run(run, model="teacher", block_channels=8, output_stride=2)
    return run


@pytest.fixture(scope="module")
def taught(train: TrainCommand, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "taught"
    train.run(run, teacher=teacher, **TAUGHT)
    return run


def test_every_term_is_logged_by_name(taught: Path) -> None:
    assert {f"loss_{name}" for name in TERMS} <= metrics(taught)[-2].keys()


@pytest.mark.distributed
def test_two_processes_equal_one(
    train: TrainCommand, teacher: Path, taught: Path, tmp_path: Path
) -> None:
    train.run(tmp_path / "two", teacher=teacher, processes=2, **{**TAUGHT, "accumulation_steps": 1})
    one, two = last_weights(taught), last_weights(tmp_path / "two")
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=1e-5, rtol=0, err_msg=name)


def test_a_continued_run_is_bit_for_bit_the_same_though_its_teacher_moved(
    train: TrainCommand, teacher: Path, taught: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train.run(run, teacher=teacher, **{**TAUGHT, "max_steps": 3})
    moved = tmp_path / "moved"
    shutil.copytree(teacher, moved, symlinks=True)
    train.run(run, teacher=moved, **TAUGHT)
    ours, theirs = last_weights(run), last_weights(taught)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.distributed
def test_under_zero_2_and_bf16_a_teacher_is_whole_unchanged_and_in_evaluation_mode(
    train: TrainCommand, teacher: Path, tmp_path: Path
) -> None:
    pytest.importorskip("deepspeed")
    output = train.run(
        tmp_path / "run",
        teacher=teacher,
        processes=2,
        config="deepspeed_zero2",
        program=("tests/training/watched_teacher.py",),
        mixed_precision="bf16",
        **{**TAUGHT, "accumulation_steps": 1},
    )
    reports = [json.loads(line) for line in output.splitlines() if line.startswith('{"teacher"')]
    assert len(reports) == 2, output
    for report in reports:
        assert report["before"] == report["after"]
        assert report["modes"] == [False] and report["dtypes"] == ["torch.float32"]
        assert report["parameters"] == report["whole"]
