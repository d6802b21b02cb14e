"""Wraps the descriptions of commands to the width of the terminal: text, tables and examples."""

from __future__ import annotations

import argparse
import re
import textwrap

EXPLANATION = re.compile(r" *\S+(?: \S+)*  +(?=\S)")
"""A name, and the two spaces or more before its explanation."""


class Description(argparse.HelpFormatter):
    """Keeps paragraphs apart and wraps them; argparse's own formatters do only one of the two."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent(wrapped(text, width), indent)


def wrapped(text: str, width: int) -> str:
    """Wraps paragraphs and the explanations of names; other indented lines are examples and stay.

    An explanation is indented to its first word; the rest of an example that is too long, further.
    """
    parts: list[tuple[str, int, str]] = []  # (start, indent of further lines, text)
    for line in text.splitlines():
        content = line.lstrip()
        indent = len(line) - len(content)
        named = EXPLANATION.match(line)
        follows = bool(parts and parts[-1][2]) and indent == parts[-1][1]
        if content and not named and follows:
            start, hanging, before = parts[-1]
            parts[-1] = (start, hanging, f"{before} {content}")
        elif named:
            parts.append((named[0], named.end(), line[named.end() :]))
        else:
            parts.append((line[:indent], indent + 2 if indent else 0, content))
    return "\n".join(
        textwrap.fill(
            content,
            width,
            initial_indent=start,
            subsequent_indent=" " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for start, hanging, content in parts
    )
