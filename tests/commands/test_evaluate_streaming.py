"""`evaluate --streaming` tells what look-ahead costs, and ends at the WER of whole sequences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import slr_accel
from slr_accel.cli import main


def test_the_table_ends_with_the_offline_wer_and_is_written(
    plain_run: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "eval"
    words = ["evaluate", str(plain_run), "--output_dir", str(out), "--streaming"]
    with pytest.raises(SystemExit) as exit_info:
        main(words)
    assert exit_info.value.code == 0
    printed = capsys.readouterr().out
    found = json.loads((out / "streaming.json").read_text())
    assert found["points"][-1]["look_ahead"] is None
    assert found["points"][-1]["wer"] == slr_accel.evaluate(plain_run)["wer"]
    assert "(chosen)" in printed and found["chosen"]["chunk"] == 8


@pytest.mark.parametrize("option", ["--calibrate", "--tune"])
def test_an_option_that_would_do_nothing_is_refused(
    plain_run: Path, tmp_path: Path, capsys, option: str
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["evaluate", str(plain_run), "--output_dir", str(tmp_path), "--streaming", option])
    assert exit_info.value.code == 2
    assert f"no use for {option}" in capsys.readouterr().err
