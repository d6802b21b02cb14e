"""A sweep without a server: the same file, its trials one after the other, and their table."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from run_helpers import SMALL

from slr_accel.settings.recipes import read_yaml
from slr_accel.training.local_sweep import command, main, sampled, trials

ROOT = Path(__file__).parents[2]
TRIAL = """
import json, pathlib, sys
given = dict(word.lstrip("-").split("=") for word in sys.argv[1:])
if given["dropout"] == "0.3": sys.exit(2)
folder = pathlib.Path(given["output_dir"]); folder.mkdir(parents=True)
wers = [1.0, float(given["dropout"]), 0.9]
lines = [json.dumps({"step": step, "wer": wer}) for step, wer in enumerate(wers)]
(folder / "metrics.jsonl").write_text("\\n".join(lines))
"""


def sweep_file(folder: Path, **changed: Any) -> Path:
    sweep = {
        "method": "grid",
        "metric": {"name": "best_wer", "goal": "minimize"},
        "parameters": {"dropout": {"values": [0.5, 0.3, 0.1]}},
        "command": ["${interpreter}", "-c", TRIAL, "${args}"],
        **changed,
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(sweep))
    return path


def test_a_grid_is_ranked_and_a_trial_that_failed_stands_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["9", str(sweep_file(tmp_path))]) == 0
    with Path("runs/local_mine/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["best_wer"], row["dropout"], row["exit_code"]) for row in rows] == [
        ("0.1", "0.1", "0"),
        ("0.5", "0.5", "0"),
        ("", "0.3", "2"),
    ]
    assert rows[0]["output_dir"] == "runs/local_mine/trial_003"
    assert "best_wer 0.1  runs/local_mine/trial_003" in capsys.readouterr().out


def test_random_trials_depend_on_their_number_alone_and_lie_in_their_ranges() -> None:
    sweep = read_yaml(ROOT / "launch" / "sweep.yaml")
    many = list(trials(sweep, 30))
    assert many[:5] == list(trials(sweep, 5))
    assert len({trial["learning_rate"] for trial in many}) == 30
    assert all(0.0003 <= trial["learning_rate"] <= 0.01 for trial in many)
    assert {trial["dropout"] for trial in many} == {0.1, 0.3, 0.5}
    assert {trial["recipe"] for trial in many} == {"boston104"}


@pytest.mark.parametrize(
    ("parameter", "allowed"),
    [
        ({"min": 1, "max": 3}, {1, 2, 3}),
        ({"min": 2, "max": 8, "distribution": "q_uniform", "q": 2}, {2, 4, 6, 8}),
        ({"min": 1, "max": 8, "distribution": "q_log_uniform_values", "q": 4}, {0, 4, 8}),
        ({"values": ["a", "b"], "probabilities": [0, 1]}, {"b"}),
    ],
)
def test_distributions_of_whole_numbers(parameter: dict[str, Any], allowed: set[Any]) -> None:
    import random

    chance = random.Random(0)
    assert {sampled(chance, "x", parameter) for _ in range(300)} == allowed


def test_what_cannot_be_sampled_is_named(tmp_path: Path) -> None:
    normal = {"distribution": "normal", "mu": 0}
    for changed, told in [
        ({"parameters": {"dropout": normal}, "method": "random"}, "dropout: give value, values"),
        ({"parameters": {"dropout": {"min": 0, "max": 1}}}, "dropout: a grid needs"),
        ({"parameters": None}, "no `parameters`"),
        ({"command": ["${what}"]}, "is not known; use"),
    ]:
        with pytest.raises(ValueError, match=told):
            main(["2", str(sweep_file(tmp_path, **changed))])


def test_booleans_are_written_as_wandbs_agent_writes_them() -> None:
    values = {"compile": False, "no_ema": True, "lr": 0.1}
    words = command({"command": ["x", "${args_no_boolean_flags}"]}, values)
    assert words == ["x", "--no_ema", "--lr=0.1"]


@pytest.mark.slow
def test_two_trials_train_and_the_same_command_continues(tiny_corpus: Path, tmp_path: Path) -> None:
    values = {**SMALL, "data_dir": str(tiny_corpus), "max_steps": 2}
    parameters = {name: {"value": value} for name, value in values.items()}
    parameters["dropout"] = {"values": [0.1, 0.2]}
    own = ["${env}", "${interpreter}", "-m", "slr_accel.train", "${args_no_boolean_flags}"]
    path = sweep_file(tmp_path, parameters=parameters, command=own)
    words = [sys.executable, "-m", "slr_accel.training.local_sweep", "2", str(path)]
    for _ in range(2):
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    runs = sorted((tmp_path / "runs" / "local_mine").glob("trial_*"))
    assert [read_yaml(run / "config.yaml")["dropout"] for run in runs] == [0.1, 0.2]
    assert "this run is complete" in done.stdout
    lines = (runs[0] / "metrics.jsonl").read_text().splitlines()
    assert sum("wer" in json.loads(line) for line in lines) == 1
