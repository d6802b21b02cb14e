"""Takes README's picture of the report of a quickstart's run, by headless Chromium.

    python docs/pictures/report.py runs/quickstart/eval/report.html docs/pictures/report.png

The picture leaves out what it has no room for: tables, half of the curves and of the signs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

SIZE = "1000,1790"
HIDDEN = """<style>
section:nth-of-type(2), section:nth-of-type(3), section:nth-of-type(4),
.charts > :nth-child(n+3), .signs > :nth-child(n+4) { display: none; }
</style></head>"""


def main() -> None:
    page, picture = map(Path, sys.argv[1:])
    with TemporaryDirectory() as folder:
        copy = Path(folder, "report.html")
        text = page.read_text(encoding="utf-8").replace("</head>", HIDDEN, 1)
        copy.write_text(text, encoding="utf-8")
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        words += [f"--window-size={SIZE}", f"--screenshot={picture.absolute()}"]
        subprocess.run(["chromium", *words, copy.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    main()
