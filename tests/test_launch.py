"""Every accelerate config loads as accelerate itself loads it; every script parses and has help."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "accelerate_configs").glob("*.yaml"))
SCRIPTS = [ROOT / "launch" / f"{name}.sh" for name in ("quickstart", "test", "test_video")]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_accepts_every_config(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    processes = {"cpu": 1, "cpu_2proc": 2, "single_gpu": 1, "multi_gpu": 8}
    assert config.num_processes == processes[path.stem]
    assert config.use_cpu == path.stem.startswith("cpu")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_script_parses_and_has_help(path: Path, tmp_path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    done = subprocess.run(
        ["bash", str(path), "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(path.relative_to(ROOT)) in done.stdout
