"""Adds the page to an export: any static server then serves a recogniser for the browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from slr_accel.export.npm_parts import PARTS, unpack
from slr_accel.live.streaming import StreamSettings
from slr_accel.models.recogniser import Recogniser
from slr_accel.video.landmarks import STORED_LAYOUT

PAGE = Path(__file__).parent / "web"
VENDOR, NOTICE = "vendor", "NOTICE.txt"


def page_description(model: Recogniser, settings: StreamSettings) -> dict[str, Any]:
    """The part of the manifest that the page alone reads."""
    return {
        "landmarks": STORED_LAYOUT.to_json(),
        "frames_per_second": model.features.frames_per_second,
        "streaming": vars(settings),
    }


def write_page(folder: Path, archives: list[Path]) -> None:
    """Writes the page, its scripts and the packages that it needs beside the graph."""
    for path in PAGE.iterdir():
        shutil.copyfile(path, folder / path.name)
    unpack(archives, folder / VENDOR)
    lines = [
        f"{part.folder}: {part.package} {part.version}, {part.licence}, {part.address}"
        for part in PARTS
    ]
    (folder / VENDOR / NOTICE).write_text("\n".join(lines) + "\n", encoding="utf-8")
