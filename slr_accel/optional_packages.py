"""Explains how to install packages that only a part of the project needs."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """The command for a message: from the clone, since the package is not on PyPI."""
    constraints = "constraints-video.txt" if extra == "video" else "constraints.txt"
    return f"in the folder of the clone, pip install -c {constraints} -e '.[{extra}]'"
