"""Descriptions of commands: paragraphs, small tables and examples, as wide as the terminal."""

from __future__ import annotations

import argparse
import re
import textwrap

EXPLANATION = re.compile(r" *\S+(?: \S+)*  +(?=\S)")
"""A name and what comes before its explanation: two spaces or more."""


class Description(argparse.HelpFormatter):
    """argparse's own makes one paragraph of a description, or leaves it as wide as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent(wrapped(text, width), indent)


def wrapped(text: str, width: int) -> str:
    """Wraps paragraphs and the explanations of names; other indented lines, examples, stay lines.

    Lines of a paragraph begin at the left, those of an explanation below its first word. An example
    that is too long goes on further in.
    """
    parts: list[tuple[str, int, str]] = []  # (how it begins, where its further lines begin, text)
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
