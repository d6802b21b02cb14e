"""The log of a run is read while it grows, and shows causes in its settings and steps."""

import json
from pathlib import Path
from typing import Any

import pytest

from slr_accel.diagnosis.training_log import (
    age_findings,
    curves,
    planned_steps,
    progress_findings,
    read_records,
)


def lines(count: int, **figures: float) -> list[dict[str, Any]]:
    return [{"step": 10 * (i + 1), "epoch": i, "loss": 1.0, **figures} for i in range(count)]


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1}) + '\n{"step": 2, "lo')
    assert read_records(path) == [{"step": 1}]


@pytest.mark.parametrize("text", ["no json\n{}\n", "[1]\n{}\n"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"line 1.*give a metrics.jsonl"):
        read_records(path)


def test_steps_of_the_whole_run() -> None:
    assert planned_steps(lines(11), {"epochs": 50}) == 550
    assert planned_steps(lines(11), {"epochs": 50, "max_steps": 200}) == 550
    assert planned_steps(lines(1), {"epochs": 50, "max_steps": 200}) == 200
    assert planned_steps(lines(1), {"epochs": 50}) is None


def test_causes_in_the_log() -> None:
    def codes(records: list[dict[str, Any]], **config: float) -> list[str]:
        return [finding.code for finding in progress_findings(records, config)]

    healthy = lines(50, update_ratio=1e-3, learning_rate=1e-3)
    assert codes(healthy, max_steps=3000, dropout=0.3) == []
    assert codes(lines(50, update_ratio=1e-7, learning_rate=1e-8)) == ["tiny_updates"]
    assert codes(lines(50, update_ratio=0.04)) == ["large_updates"]
    assert codes(healthy, max_steps=40) == ["few_steps"]
    assert codes(healthy, epochs=400, max_steps=40) == ["few_steps"]
    assert codes(healthy, dropout=0.9) == ["high_dropout"]


def test_an_old_checkpoint_is_noted() -> None:
    assert [f.code for f in age_findings("step_00000100", {"step": 900})] == ["old_checkpoint"]
    assert not list(age_findings("step_00000800", {"step": 900}))
    assert not list(age_findings("average_00000900", {"step": 900}))


def test_curves_leave_out_what_is_not_finite() -> None:
    (curve,) = curves([{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 3.0}], {})
    assert curve["series"] == [{"label": "train", "points": [[2, 3.0]]}]
