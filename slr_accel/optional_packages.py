"""Packages that only a part of the project needs, and how they are installed."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """Words for a message: from the clone, since on PyPI nobody holds this package's name."""
    constraints = "constraints-video.txt" if extra == "video" else "constraints.txt"
    return f"in the folder of the clone, pip install -c {constraints} -e '.[{extra}]'"
