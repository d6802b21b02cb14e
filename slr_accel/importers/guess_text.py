"""Writes a guess for people, in 80 columns; commands stay whole."""

from __future__ import annotations

import shlex
import textwrap

from slr_accel.importers.guess import Guess

WIDTH = 80
INDENT = 17


def as_text(found: Guess) -> str:
    """A headline, the facts in two columns, remarks, and the commands to type."""
    lines = textwrap.wrap(f"{found.path}: {found.what}", WIDTH, break_on_hyphens=False)
    for name, fact in found.facts.items():
        lines += textwrap.wrap(
            fact,
            WIDTH,
            initial_indent=f"  {name}".ljust(INDENT),
            subsequent_indent=" " * INDENT,
            break_on_hyphens=False,
        )
    for remark in found.remarks:
        lines += textwrap.wrap(
            remark, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False
        )
    if found.commands:
        lines += ["to make a corpus of it:", *(_folded(line) for line in found.commands)]
    else:
        lines.append("no command reads this as it is.")
    return "\n".join(lines)


def _folded(line: str) -> str:
    """A command over several lines, with the backslashes of a shell."""
    rows = [" "]
    for word in map(shlex.quote, shlex.split(line)):
        if len(rows[-1]) + len(word) + 3 > WIDTH:
            rows[-1] += " \\"
            rows.append("   ")
        rows[-1] += f" {word}"
    return "\n".join(rows)
