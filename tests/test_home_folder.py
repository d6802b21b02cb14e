"""Only a `~` that stands where a path begins is the home folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from slr_accel.home_folder import with_home


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("~", "HOME"),
        ("~/runs/a b", "HOME/runs/a b"),
        ("--output_dir=~/runs", "HOME/runs"),
        ("--output_dir=~", "HOME"),
        ("--output_dir=./~/runs", None),
        ("--layout=~x", None),
        ("runs/~/x", None),
        ("--seed=1", None),
        ("s3://~/x", None),
    ],
)
def test_the_home_folder_stands_for_a_tilde_at_the_start(
    word: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if expected is None:
        assert with_home([word]) == [word]
    else:
        option = word[: word.index("=") + 1] if "=" in word else ""
        assert with_home([word]) == [option + expected.replace("HOME", str(tmp_path))]
