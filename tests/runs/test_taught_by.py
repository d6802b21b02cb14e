"""A run keeps the weights that teach it; where they lie may change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slr_accel.runs.run_folder import ENVIRONMENT_FILE, RunFolder
from slr_accel.runs.taught_by import keep_teachers


def test_other_teachers_are_refused_by_name_and_moved_ones_are_not(tmp_path: Path) -> None:
    run, path = RunFolder(tmp_path), tmp_path / ENVIRONMENT_FILE
    path.write_text(json.dumps({"starts": []}))
    keep_teachers(run, {"/runs/a": "1", "/runs/b": "2"}, is_main=True)
    path.write_text(json.dumps({**json.loads(path.read_text()), "starts": [{}]}))
    keep_teachers(run, {"/moved/a": "1", "/moved/b": "2"}, is_main=True)
    with pytest.raises(ValueError, match=r"/runs/a \(weights 1\) .* this command gives no teacher"):
        keep_teachers(run, {}, is_main=True)
    with pytest.raises(ValueError, match=r"gives /runs/a \(weights 3\);"):
        keep_teachers(run, {"/runs/a": "3"}, is_main=False)
