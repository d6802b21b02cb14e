"""Writes the error for a name that does not exist."""

from __future__ import annotations

import difflib

MOST_LISTED = 20
"""Names that an error lists; where there are more, it points to --help."""


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """Returns an error text that names the nearest known name."""
    near = difflib.get_close_matches(name, known, n=1)
    listed = (
        "--help lists them" if len(known) > MOST_LISTED else f"known: {', '.join(sorted(known))}"
    )
    hint = f"did you mean {near[0]}?" if near else listed
    return f"unknown {kind} {name!r}; {hint}"
