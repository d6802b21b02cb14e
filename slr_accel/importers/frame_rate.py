"""Which frame rates there can be."""

from __future__ import annotations

MAX_FPS = 10_000


def check_fps(fps: float | None) -> None:
    """ValueError where what --fps says is no frame rate; None is not given."""
    if fps is not None and not 0 < fps < MAX_FPS:
        raise ValueError(f"--fps is {fps:g}; give frames per second, more than 0")
