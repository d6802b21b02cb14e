"""Opens a page in headless Chromium, as its command line does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def opened_in_browser(page: Path, profile: Path) -> str:
    """The document after its scripts ran for five seconds; the test fails on a console message.

    Skips where there is no Chromium.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    words += ["--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom"]
    result = subprocess.run(
        [program, *words, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    said = [line for line in result.stderr.splitlines() if ":CONSOLE" in line]
    assert not said, said
    return result.stdout
