"""Imports go down the floors of pyproject.toml, and an import that goes up is found."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["lint-imports", "--config", "pyproject.toml", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("place", "imported"),
    [
        ("corpus/format.py", "slr_accel.loading.plan"),
        ("runs/checkpoint.py", "slr_accel.training.trainer"),
        ("files.py", "slr_accel.settings.run"),
    ],
)
def test_an_upward_import_is_found(place: str, imported: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "slr_accel", tmp_path / "slr_accel", ignore=ignored)
    assert lint(tmp_path).returncode == 0
    path = tmp_path / "slr_accel" / place
    planted = f"\n\ndef planted():\n    import {imported}\n"
    path.write_text(path.read_text(encoding="utf-8") + planted, encoding="utf-8")
    result = lint(tmp_path)
    assert result.returncode == 1
    assert imported in result.stdout
