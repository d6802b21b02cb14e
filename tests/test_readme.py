"""The commands of the first sections of README.md are run as they stand, long ones for a few steps;
its settings and paths are those that there are."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from slr_accel.settings.form import may_change
from slr_accel.settings.run import all_fields

ROOT = Path(__file__).parents[1]
FEW_STEPS = ["--max_steps", "2"]


def commands(start: str) -> list[list[str]]:
    """Command lines of README's code blocks that begin with one of our commands."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index(start) :]
    block = re.search(r"```\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return [shlex.split(line, comments=True) for line in block[1].splitlines() if line.strip()]


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder where relative paths of the README mean what they mean in a clone."""
    for name in ("accelerate_configs", "launch"):
        (tmp_path / "clone" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "clone" / name).symlink_to(ROOT / name)
    return tmp_path / "clone"


def run(words: list[str], folder: Path) -> str:
    if "train" in words or "slr_accel.train" in words:
        words = [*words, *FEW_STEPS]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_may_differ_when_a_run_is_continued_is_what_the_code_lets_differ() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    paragraph = text[text.index("What may differ") :].split("\n\n")[0]
    named = re.findall(r"--(\w+)", paragraph)
    assert sorted(named) == sorted(n for n, field in all_fields().items() if may_change(field))


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.distributed
def test_the_commands_for_real_signing_work(workplace: Path, shared_data: Path) -> None:
    (workplace.parent / "shared").symlink_to(shared_data.parent)
    found = commands("## Real signing")
    assert [words[0] for words in found] == ["slr-accel", "slr-accel", "accelerate", "slr-accel"]
    outputs = [run(words, workplace) for words in found]
    assert "137 train" in outputs[0] and "WER" in outputs[-1]


@pytest.mark.slow
@pytest.mark.real_data
def test_the_commands_for_other_formats_work(workplace: Path, shared_data: Path) -> None:
    (workplace.parent / "shared").symlink_to(shared_data.parent)
    outputs = [run(words, workplace) for words in commands("## Corpora of other formats")]
    assert len(outputs) == 5
    assert "600 train, 100 dev" in outputs[3]


@pytest.mark.slow
def test_the_commands_for_own_data_work_with_the_readmes_own_index(workplace: Path) -> None:
    import numpy as np

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    index, layout = re.findall(r"```json\n(.*?)```", text, re.DOTALL)[:2]
    recordings = workplace / "recordings"
    recordings.mkdir()
    (recordings / "index.jsonl").write_text(index)
    (recordings / "layout.json").write_text(layout)
    for name in ("s1", "s2a", "s2b"):
        random = np.random.default_rng(len(name))
        np.save(recordings / f"{name}.npy", random.normal(size=(30, 8)).astype(np.float32))
    outputs = [run(words, workplace) for words in commands("Without a layout")]
    assert "1 train" in outputs[0]
    assert "WER" in outputs[-1]


@pytest.mark.slow
@pytest.mark.distributed
def test_the_quickstart_script_works(workplace: Path) -> None:
    """With this environment in place of a new one, and for a few steps."""
    for name in ("constraints.txt", "pyproject.toml", "slr_accel"):
        (workplace / name).symlink_to(ROOT / name)
    launch = workplace / "launch"
    launch.unlink()
    launch.mkdir()
    for script in (ROOT / "launch").iterdir():
        (launch / script.name).write_bytes(script.read_bytes())
    venv = Path(sys.executable).parents[1]
    stamp = subprocess.run(
        "cat constraints.txt pyproject.toml | cksum",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    fake = workplace / ".venv"
    fake.mkdir()
    (fake / "bin").symlink_to(venv / "bin")
    (fake / "installed-from").write_text(stamp)
    output = run(["bash", "launch/quickstart.sh", *FEW_STEPS], workplace)
    assert "test: WER" in output
    assert (workplace / "runs" / "quickstart" / "eval" / "report.html").is_file()
