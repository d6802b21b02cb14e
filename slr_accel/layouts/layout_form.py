"""Whether what JSON holds has the form of a layout: which keys there are, and of which kind."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from reprlib import repr as shortened
from typing import Any

FORM = "a layout is an object with `blocks`, a list of {name, points, axes}"
BLOCK_KEYS = ("name", "points", "axes", "missing")
KEYS = ("blocks", "origin", "scale", "units", "columns", "frame_size")
LIKENESS = 0.75
"""`axis` is meant for axes, and `mising` for missing; `frame_rate` is somebody's own."""


def form_problems(data: Any) -> list[str]:
    """What is wrong with the form of a layout, block by block; [] where nothing is."""
    if not isinstance(data, dict):
        return [f"it is {_kind(data)}; {FORM}"]
    problems = [_ask(key, meant) for meant, key in _misspelt(data, KEYS).items()]
    problems += [
        f"`{key}` is {shortened(data[key])}; give a list of names"
        for key in ("origin", "scale")
        if not isinstance(data.get(key) or [], list)
    ]
    if not isinstance(data.get("blocks"), list):
        found = f"`blocks` is {_kind(data['blocks'])}" if "blocks" in data else "it has no `blocks`"
        return [*problems, f"{found}; {FORM}"]
    for number, block in enumerate(data["blocks"], 1):
        name = block.get("name") if isinstance(block, dict) else None
        place = f"block {name!r}" if isinstance(name, str) else f"block {number}"
        problems += [f"{place}{text}" for text in _block_problems(block)]
    return problems


def _block_problems(block: Any) -> Iterator[str]:
    """Each goes on from the block's name."""
    if not isinstance(block, dict):
        yield f" is {shortened(block)}, not {{name, points, axes}}"
        return
    misspelt = _misspelt(block, BLOCK_KEYS)
    yield from (f": {_ask(key, meant)}" for meant, key in misspelt.items())
    for key in ("name", "points", "axes"):
        if key in misspelt:
            continue
        if key not in block:
            yield f" has no `{key}`"
        elif key == "name" and not isinstance(block[key], str):
            yield f": `name` is {shortened(block[key])}; give a text"
        elif key != "name" and not isinstance(block[key], list):
            # A text is a sequence of letters, which would pass for names.
            yield f": `{key}` is {shortened(block[key])}; give a list of names"


def _misspelt(data: dict[str, Any], known: tuple[str, ...]) -> dict[str, str]:
    """{known key that is not there: the one that must be meant for it}"""
    unknown = [key for key in data if key not in known]
    near = {key: difflib.get_close_matches(key.lower(), known, 1, LIKENESS) for key in unknown}
    return {found[0]: key for key, found in near.items() if found and found[0] not in data}


def _ask(key: str, meant: str) -> str:
    return f"unknown key {key!r} (did you mean {meant}?)"


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")
