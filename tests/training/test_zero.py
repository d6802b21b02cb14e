"""DeepSpeed ZeRO changes where optimizer, gradients and weights lie, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from run_helpers import TrainCommand, last_weights, metrics
from safetensors.numpy import load_file

from slr_accel.processes import accelerator, deepspeed
from slr_accel.settings.run import build_settings
from slr_accel.training import zero

pytest.importorskip("deepspeed")
ROOT = Path(__file__).parents[2]


def spread_config(folder: Path) -> Path:
    """ZeRO-3 that spreads every weight, however small. A path without its suffix."""
    ours = yaml.safe_load((ROOT / "accelerate_configs" / "deepspeed_zero3.yaml").read_text())
    deepspeed = {
        "zero_optimization": {
            "stage": 3,
            "stage3_param_persistence_threshold": 0,
            "stage3_model_persistence_threshold": 0,
        },
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
    }
    (folder / "deepspeed.json").write_text(json.dumps(deepspeed))
    del ours["mixed_precision"]  # accelerate wants it in the other file
    ours["deepspeed_config"] = {
        "deepspeed_config_file": str(folder / "deepspeed.json"),
        "zero3_init_flag": False,
    }
    (folder / "spread.yaml").write_text(yaml.safe_dump(ours))
    return folder / "spread"


def is_of_part(name: str) -> bool:
    return name.startswith("grad_norm_") or name == "update_ratio"


def assert_close(run: Path, other: Path) -> None:
    """Loss and gradient norm to 1e-4, WER as it is."""
    ours, theirs = metrics(run), metrics(other)
    assert len(ours) == len(theirs)
    for mine, its in zip(ours, theirs, strict=True):
        # DeepSpeed spreads the gradients of the parts of the model, which are not measured then.
        assert {name for name in mine if not is_of_part(name)} == {
            name for name in its if not is_of_part(name)
        }
        for name in ("loss", "grad_norm"):
            if name in mine:
                assert mine[name] == pytest.approx(its[name], abs=1e-4, rel=1e-4)
        assert mine.get("wer") == its.get("wer")


SETTINGS = {
    "accumulation_steps": 2,
    "max_steps": 20,
    "epochs": 10,
    "max_grad_norm": 1.0,
    "learning_rate": 0.002,
    "block_dropout": 0.1,
    "ema_decay": 0.9,
    "processes": 2,
}


@pytest.fixture(scope="module")
def ddp(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "ddp"
    train.run(run, **SETTINGS)
    return run


@pytest.mark.distributed
@pytest.mark.slow
@pytest.mark.parametrize("way", ["1", "2", "3", "3_offload", "3 with every weight spread"])
def test_20_steps_and_an_average_agree_with_ddp(
    train: TrainCommand, ddp: Path, tmp_path: Path, way: str
) -> None:
    spread = way.endswith("spread")
    config = spread_config(tmp_path) if spread else f"deepspeed_zero{way}"
    train.run(tmp_path / "run", config=config, **SETTINGS)
    assert_close(tmp_path / "run", ddp)
    files = {path.name for path in max((ddp / "checkpoints").glob("step_*")).iterdir()}
    ours = max((tmp_path / "run" / "checkpoints").glob("step_*"))
    assert {path.name for path in ours.iterdir()} == files


@pytest.mark.distributed
@pytest.mark.slow
def test_a_checkpoint_continues_at_another_stage_and_on_other_processes(
    train: TrainCommand, ddp: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train.run(run, config=spread_config(tmp_path), **{**SETTINGS, "max_steps": 8})
    train.run(run, config="deepspeed_zero1", **{**SETTINGS, "max_steps": 12})
    train.run(run, **{**SETTINGS, "processes": 1, "accumulation_steps": None, "max_steps": 16})
    output = train.run(run, config=spread_config(tmp_path), **SETTINGS)
    assert "continues at step 16 of 20" in output
    ends = [record for record in metrics(run) if "loss" in record]
    for ours, theirs in zip(ends, (r for r in metrics(ddp) if "loss" in r), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4, rel=1e-4)


@pytest.mark.distributed
@pytest.mark.slow
@pytest.mark.parametrize("stage", [2, 3])
def test_a_continued_run_equals_an_uninterrupted_one(
    train: TrainCommand, tmp_path: Path, stage: int
) -> None:
    config = spread_config(tmp_path) if stage == 3 else "deepspeed_zero2"
    settings = {**SETTINGS, "max_steps": 9, "config": config, "eval_steps": 100}
    train.run(tmp_path / "whole", **settings)
    train.run(tmp_path / "run", **{**settings, "max_steps": 5})
    train.run(tmp_path / "run", **settings)
    ours, theirs = last_weights(tmp_path / "run"), last_weights(tmp_path / "whole")
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    for file in ("optimizer.safetensors", "training.safetensors"):
        whole, continued = (
            load_file(tmp_path / run / "checkpoints" / "step_00000009" / file)
            for run in ("whole", "run")
        )
        assert whole.keys() == continued.keys()
        for name in whole:
            np.testing.assert_array_equal(continued[name], whole[name], err_msg=name)


@pytest.mark.distributed
@pytest.mark.slow
def test_every_model_takes_the_same_step_under_zero_3(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"),
            *("--config_file", f"{spread_config(tmp_path)}.yaml", "--num_processes", "2"),
            *("--main_process_port", "0", "tests/training/zero3_models.py"),
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the same step") == 10
    assert " 0 weights spread" not in done.stdout


def problems(config: dict, mixed_precision: str = "no", **values: object) -> str:
    accelerator = SimpleNamespace(
        deepspeed_plugin=SimpleNamespace(
            deepspeed_config={"zero_optimization": {"stage": 3}} | config
        ),
        mixed_precision=mixed_precision,
    )
    settings = build_settings({"data_dir": "-", "output_dir": "-", **values})
    with pytest.raises(ValueError) as caught:
        zero.check(accelerator, settings, accumulation=2)
    return str(caught.value)


def test_deepspeed_s_config_must_not_contradict_the_settings() -> None:
    text = problems(
        {"gradient_clipping": 1.0, "gradient_accumulation_steps": 4, "optimizer": {}},
        mixed_precision="fp16",
        max_grad_norm=5.0,
        compile=True,
        batch_frames="auto",
    )
    assert "gradient_clipping is 1.0 in the config and 5.0 in the settings" in text
    assert "gradient_accumulation_steps is 4 in the config and 2 in the settings" in text
    assert "optimizer is in the config" in text
    assert "mixed_precision fp16" in text
    assert "compile does not work with ZeRO-3" in text
    assert "batch_frames auto" in text
    offload = {"device": "nvme", "nvme_path": "/"}
    text = problems({"zero_optimization": {"stage": 0, "offload_optimizer": offload}})
    assert "use 1, 2 or 3" in text
    assert "offload_optimizer to nvme" in text


def test_without_deepspeed_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setattr(deepspeed.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install -c constraints.txt -e '\.\[deepspeed\]'"):
        accelerator.make_accelerator(None)


def test_fsdp_is_refused_with_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match=r"deepspeed_zero3\.yaml"):
        accelerator.make_accelerator(None)


@pytest.mark.distributed
@pytest.mark.slow
def test_gradients_of_bf16_are_exchanged_as_ddp_exchanges_them(
    train: TrainCommand, tmp_path: Path
) -> None:
    """In float32: in bf16 those of the CTC head would be rounded to three digits."""
    settings = {**SETTINGS, "max_steps": 3, "block_dropout": 0, "ema_decay": 0}
    bf16 = ("--mixed_precision", "bf16")
    train.run(tmp_path / "ddp", launch=bf16, **settings)
    train.run(tmp_path / "zero", launch=bf16, config="deepspeed_zero2", **settings)
    ours, theirs = (
        [record["grad_norm"] for record in metrics(tmp_path / name) if "grad_norm" in record]
        for name in ("zero", "ddp")
    )
    assert len(ours) == 3
    assert ours == pytest.approx(theirs, rel=5e-6)
