"""The page of a diagnosis works in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser_helpers import opened_in_browser

from slr_accel.cli import main

RECORDED = Path(__file__).with_name("recorded") / "boston104.jsonl"


@pytest.mark.browser
def test_the_page_of_a_diagnosis_logs_nothing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["diagnose", str(RECORDED), "--output_dir", str(tmp_path)])
    document = opened_in_browser(tmp_path / "diagnosis.html", tmp_path / "profile")
    assert document.count('class="chart"') >= 2
