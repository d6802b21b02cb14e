"""launch/sweep.yaml: the command line of wandb's own agent, run for trials as it stands."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from run_helpers import SMALL
from wandb_helpers import offline_runs, summary, wandb_records

ROOT = Path(__file__).parents[2]
SWEEP = yaml.safe_load((ROOT / "launch" / "sweep.yaml").read_text())


def sampled(chance: random.Random) -> dict[str, Any]:
    """A value for every parameter, as its kind of distribution says."""
    values = {}
    for name, parameter in SWEEP["parameters"].items():
        if "value" in parameter:
            values[name] = parameter["value"]
        elif "values" in parameter:
            values[name] = chance.choice(parameter["values"])
        else:
            assert parameter["distribution"] == "log_uniform_values"
            values[name] = (
                parameter["min"] * (parameter["max"] / parameter["min"]) ** chance.random()
            )
    return values


def run_trial(
    values: dict[str, Any], trial: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> int:
    """Lets wandb's agent run a trial in `folder`; returns the exit code."""
    from wandb.wandb_agent import Agent

    (folder / "accelerate_configs").exists() or (folder / "accelerate_configs").symlink_to(
        ROOT / "accelerate_configs"
    )
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "WANDB_MODE": "offline",
        "WANDB_SWEEP_ID": "abc",
        "WANDB_DIR": str(folder),
        "WANDB_SILENT": "true",
    }
    monkeypatch.chdir(folder)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):  # the agent sets them for good
        monkeypatch.setenv(name, "")
    agent = Agent(api=None, queue=None, sweep_id="abc")
    agent._sweep_command = list(SWEEP["command"])
    arguments = {name: {"value": value} for name, value in values.items()}
    agent._command_run({"run_id": trial, "program": SWEEP["program"], "args": arguments})
    code = agent._run_processes[trial].wait(timeout=200)
    assert code is not None
    return code


@pytest.mark.distributed
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_three_sampled_settings_run_as_the_agent_starts_them(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    values = sampled(random.Random(seed))
    # The tiny corpus and model in place of the recipe's; both kinds of booleans.
    small = {name: SMALL[name] for name in ("channels", "lstm_hidden", "lstm_layers")}
    values |= {"data_dir": str(tiny_corpus), "max_steps": 2, **small}
    values |= {"dynamic_truncation": seed == 0, "layout": "none"}
    values |= {"max_frames": 30} if seed == 0 else {}
    values |= {"groups": "position", "crop_probability": 0, "join_probability": 0}
    assert run_trial(values, f"trial{seed}", tmp_path, monkeypatch) == 0
    run = tmp_path / "runs" / "sweep_abc" / f"trial{seed}"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert {name: config[name] for name in ("learning_rate", "dropout", "ema_decay")} == {
        name: values[name] for name in ("learning_rate", "dropout", "ema_decay")
    }
    assert config["dynamic_truncation"] is (seed == 0)
    (folder,) = offline_runs(run)
    assert folder.name.endswith(f"-trial{seed}") and "best_wer" in summary(wandb_records(folder))


@pytest.mark.distributed
def test_a_bad_setting_ends_the_trial_at_once_with_its_reason_in_the_summary(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"data_dir": str(tiny_corpus), "dropout": 7, "learning_rat": 0.1}
    assert run_trial(values, "bad", tmp_path, monkeypatch) != 0
    (folder,) = offline_runs(tmp_path)  # of one process, not of both
    reason = summary(wandb_records(folder))["error"]
    assert "dropout" in reason and "did you mean --learning_rate?" in reason
    assert not (tmp_path / "runs").exists()


def test_a_bad_start_of_a_trial_exits_with_2(tmp_path: Path) -> None:
    environment = {"WANDB_MODE": "disabled", "WANDB_SWEEP_ID": "abc", "WANDB_RUN_ID": "t"}
    words = [sys.executable, "-m", "slr_accel.train", "--data_dir", str(tmp_path / "none")]
    done = subprocess.run(
        words, env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and "none" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("word", ["--compile", "--compile=True", "--compile=true"])
def test_a_boolean_is_taken_as_agents_write_it(word: str) -> None:
    from slr_accel.settings.command_line import parse_settings

    settings = parse_settings([word, "--data_dir=a", "--output_dir=b"], "train")
    assert settings.training.compile
    settings = parse_settings(["--compile=False", "--data_dir=a", "--output_dir=b"], "train")
    assert not settings.training.compile
