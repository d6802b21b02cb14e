"""A missing extra is installed from the clone: on PyPI nobody holds the package's name."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest

from slr_accel.optional_packages import how_to_install
from slr_accel.processes import deepspeed

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_no_text_names_the_package_as_if_an_index_had_it() -> None:
    sources = [*(ROOT / "slr_accel").rglob("*.py"), *(ROOT / "launch").iterdir()]
    sources += ROOT.glob("*.md")
    naming = [path.name for path in sources if "slr-accel[" in path.read_text(encoding="utf-8")]
    assert naming == []


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_installs_an_extra_names_files_of_the_clone(extra: str) -> None:
    words = how_to_install(extra).split()
    assert (ROOT / words[words.index("-c") + 1]).is_file()
    assert ("constraints-video.txt" in words) == (extra == "video")
    assert f"'.[{extra}]'" in words


def test_deepspeed_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"deepspeed and transformers.*'\.\[deepspeed\]'"):
        deepspeed.make_ready(has_gpu=False)
