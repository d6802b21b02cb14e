"""Keeps the teachers of a run the same from one start to the next."""

from __future__ import annotations

import json

from slr_accel.files import write_whole
from slr_accel.runs.run_folder import ENVIRONMENT_FILE, RunFolder


def keep_teachers(run: RunFolder, found: dict[str, str], *, is_main: bool) -> None:
    """Records which weights teach this run; at a later start checks that they are the same.

    Args:
        found: by address, what tells the weights from others. Addresses may change.

    Raises:
        ValueError: other weights taught it before.
    """
    environment = run.environment()
    if not environment["starts"]:
        if is_main and found:
            text = json.dumps({**environment, "teachers": found}, indent=1)
            write_whole(run.path / ENVIRONMENT_FILE, text + "\n")
        return
    before = environment.get("teachers", {})
    if list(before.values()) != list(found.values()):
        raise ValueError(
            f"{run.path} was taught by {_named(before)}, and this command gives {_named(found)}; "
            "continue it with the same teachers, or give another --output_dir"
        )


def _named(teachers: dict[str, str]) -> str:
    """Names teachers by address and weights."""
    named = [f"{source} (weights {mark})" for source, mark in teachers.items()]
    return " and ".join(named) if named else "no teacher"
