"""The report of a run works in a browser: nothing is logged, the landmarks are replayed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_helpers import opened_in_browser

from slr_accel.cli import main

# Nothing is painted in a page that is only dumped: a timer stands in for the display.
PLAY = """<script>
window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 16);
console.assert(players.length >= 2, "nothing is replayed");
players.forEach((player) => player.play());
</script></body>"""

pytestmark = pytest.mark.browser


def test_the_report_logs_nothing_and_replays_to_the_end(plain_run: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["evaluate", str(plain_run), "--split", "train", "--output_dir", str(tmp_path)])
    assert not exit.value.code
    page = tmp_path / "report.html"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", PLAY), encoding="utf-8")
    document = opened_in_browser(page, tmp_path / "profile")
    clocks = [float(seconds) for seconds in re.findall(r"<output>([\d.]+) s</output>", document)]
    assert len(clocks) >= 2 and min(clocks) > 0.1
    cursors = [float(x) for x in re.findall(r'class="cursor" style="left: ([\d.]+)px', document)]
    assert cursors and min(cursors) > 116


def test_a_script_that_fails_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text("<!doctype html><script>nothing.there()</script>", encoding="utf-8")
    with pytest.raises(AssertionError, match="nothing is not defined"):
        opened_in_browser(page, tmp_path / "profile")
