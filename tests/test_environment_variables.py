"""docs/distributed.md says what each variable of accelerate and wandb does; so it is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from wandb_helpers import offline_runs, wandb_records

from slr_accel.processes import deepspeed
from slr_accel.processes.accelerator import make_accelerator
from slr_accel.processes.launcher import check_options
from slr_accel.settings.run import build_settings
from slr_accel.training.sweep import with_trial_folder
from slr_accel.training.wandb_run import start_wandb, wandb_mode

PAGE = Path(__file__).parents[1] / "docs" / "distributed.md"
ROW = re.compile(r"^\| `((?:ACCELERATE|WANDB)_\w+)` \|", re.MULTILINE)
Set = Callable[[str, str], None]


def refused(set_variable: Set, name: str, value: str, call: Callable[[], object]) -> None:
    call()
    set_variable(name, value)
    with pytest.raises(ValueError):
        call()


def on_cpu(set_variable: Set, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.cuda, "device_count", lambda: 1)
    set_variable("ACCELERATE_USE_CPU", "true")
    assert make_accelerator("no").device.type == "cpu"


def precision(set_variable: Set, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("slr_accel.processes.accelerator._cpu_computes_bf16", lambda: False)
    refused(set_variable, "ACCELERATE_MIXED_PRECISION", "bf16", lambda: make_accelerator(None))
    assert make_accelerator("no").mixed_precision == "no"


def accumulation(set_variable: Set, patch: pytest.MonkeyPatch) -> None:
    name = "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"
    refused(set_variable, name, "4", lambda: check_options(1))
    check_options(4)


def with_deepspeed(set_variable: Set, patch: pytest.MonkeyPatch) -> None:
    assert not deepspeed.is_asked_for()
    set_variable("ACCELERATE_USE_DEEPSPEED", "true")
    assert deepspeed.is_asked_for()


def a_mode(set_variable: Set, patch: pytest.MonkeyPatch) -> None:
    set_variable("WANDB_MODE", "offline")
    assert (wandb_mode(None), wandb_mode("disabled")) == ("offline", "disabled")


def disabled(set_variable: Set, patch: pytest.MonkeyPatch) -> None:
    set_variable("WANDB_API_KEY", "k" * 40)
    set_variable("WANDB_DISABLED", "true")
    assert (wandb_mode(None), wandb_mode("offline")) == ("disabled", "offline")


def a_key(set_variable: Set, patch: pytest.MonkeyPatch) -> None:
    set_variable("WANDB_API_KEY", "k" * 40)
    assert wandb_mode(None) == "online"


def a_trial(set_variable: Set, patch: pytest.MonkeyPatch) -> None:
    set_variable("WANDB_RUN_ID", "one")
    assert with_trial_folder([]) == []
    set_variable("WANDB_SWEEP_ID", "abc")
    assert with_trial_folder([]) == ["--output_dir=runs/sweep_abc/one"]


def refuses(name: str, value: str, call: Callable[[], object]) -> Callable[..., None]:
    return lambda set_variable, patch: refused(set_variable, name, value, call)


CHECKS: dict[str, Callable[[Set, pytest.MonkeyPatch], None]] = {
    "ACCELERATE_USE_CPU": on_cpu,
    "ACCELERATE_MIXED_PRECISION": precision,
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": accumulation,
    "ACCELERATE_USE_DEEPSPEED": with_deepspeed,
    "WANDB_MODE": a_mode,
    "WANDB_DISABLED": disabled,
    "WANDB_API_KEY": a_key,
    "WANDB_SWEEP_ID": a_trial,
    "ACCELERATE_DYNAMO_BACKEND": refuses(
        "ACCELERATE_DYNAMO_BACKEND", "INDUCTOR", lambda: check_options(1)
    ),
    **{
        name: refuses(name, "true", lambda: make_accelerator("no"))
        for name in (
            "ACCELERATE_USE_FSDP",
            "ACCELERATE_USE_MEGATRON_LM",
            "ACCELERATE_USE_PARALLELISM_CONFIG",
        )
    },
}
"""Those of one wandb run are checked together below."""
OF_A_RUN = {
    "WANDB_PROJECT": "p",
    "WANDB_NAME": "n",
    "WANDB_RUN_GROUP": "g",
    "WANDB_TAGS": "a,b",
    "WANDB_NOTES": "why",
    "WANDB_RUN_ID": "id0",
    "WANDB_DIR": "elsewhere",
}


@pytest.fixture
def set_variable(monkeypatch: pytest.MonkeyPatch) -> Set:
    for name in list(os.environ):
        if name.startswith(("ACCELERATE_", "WANDB_")):
            monkeypatch.delenv(name)
    return monkeypatch.setenv


def test_the_page_lists_what_is_checked() -> None:
    assert sorted(ROW.findall(PAGE.read_text())) == sorted([*CHECKS, *OF_A_RUN])


@pytest.mark.parametrize("name", CHECKS)
def test_a_variable_does_what_the_page_says(
    name: str, set_variable: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    CHECKS[name](set_variable, monkeypatch)


def started(folder: Path, **settings: Any) -> Any:
    values = {"data_dir": "c", "output_dir": str(folder), "wandb_mode": "offline", **settings}
    run = start_wandb(build_settings(values), folder, None)
    assert run is not None
    run.finish(None)
    (written,) = offline_runs(folder)
    return next(r.run for r in wandb_records(written) if r.WhichOneof("record_type") == "run")


def test_a_run_at_wandb_heeds_its_variables_and_settings_win(
    tmp_path: Path, set_variable: Set
) -> None:
    for name, value in OF_A_RUN.items():
        set_variable(name, str(tmp_path / value) if name == "WANDB_DIR" else value)
    found = started(tmp_path / "run")
    assert (found.project, found.display_name, found.run_group) == ("p", "n", "g")
    assert (list(found.tags), found.notes, found.run_id) == (["a", "b"], "why", "id0")
    assert not (tmp_path / "elsewhere").exists()
    found = started(tmp_path / "other", wandb_project="q", wandb_group="h")
    assert (found.project, found.run_group) == ("q", "h")
