"""Checks frame rates."""

from __future__ import annotations

MAX_FPS = 10_000


def check_fps(fps: float | None) -> None:
    """Raises ValueError where --fps is no frame rate; None where it was not given."""
    if fps is not None and not 0 < fps < MAX_FPS:
        raise ValueError(f"--fps is {fps:g}; give frames per second, more than 0")
