"""Reads a layout from JSON: its keys and the kinds of their values, with all problems at once."""

from __future__ import annotations

import difflib
from reprlib import repr as shortened
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MissingMarker = Literal["zeros", "nan", "none"]
"""How a frame marks that a block was not detected."""
MISSING_MARKERS = get_args(MissingMarker)
Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]
KINDS = {
    "blocks": "a list of {name, points, axes}",
    "name": "a text",
    **dict.fromkeys(("points", "axes", "origin", "scale"), "a list of names"),
    "missing": ", ".join(MISSING_MARKERS),
    "units": "a text",
    "columns": "their number",
    "frame_size": "[width, height] in pixels",
}
"""{key: what its value is, for messages}"""
LIKENESS = 0.75
"""`axis` stands for axes, and `mising` for missing; `frame_rate` is a key of the user's own."""


class BlockForm(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    name: Annotated[str, Field(strict=True)]
    points: list[str]
    axes: list[str]
    missing: MissingMarker = "none"


class LayoutForm(BaseModel):
    """A layout as JSON has it. Other keys are ignored, unless they look like a misspelling."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    blocks: list[BlockForm]
    origin: list[str] | None = None
    scale: list[str] | None = None
    units: str = "unknown"
    columns: int | None = None
    frame_size: tuple[Size, Size] | None = None


def read_form(data: Any) -> LayoutForm:
    """Raises ValueError that names every wrong key, and its block."""
    if not isinstance(data, dict):
        raise ValueError(
            f"a layout is an object with `blocks`, {KINDS['blocks']}, not {data!r:.40}"
        )
    problems = _misspelt(data, LayoutForm, "")
    blocks = data["blocks"] if isinstance(data.get("blocks"), list) else []
    for number, block in enumerate(blocks):
        if isinstance(block, dict):
            problems += _misspelt(block, BlockForm, f" of {_block_name(data, number)}")
    try:
        form = LayoutForm.model_validate(data)
    except ValidationError as error:
        problems += [_describe(e["type"], e["loc"], e["input"], data) for e in error.errors()]
    if problems:
        raise ValueError("this layout cannot be used: " + "; ".join(dict.fromkeys(problems)))
    return form


def _describe(kind: str, place: tuple[int | str, ...], value: Any, data: dict[str, Any]) -> str:
    where, key = "the layout", place[0]
    if key == "blocks" and len(place) > 1:
        where, key = _block_name(data, int(place[1])), place[2] if len(place) > 2 else ""
    if not key:
        return f"{where} is {shortened(value)}; give {{name, points, axes}}"
    if kind == "missing":
        return f"{where} has no `{key}`; give {KINDS[str(key)]}"
    value = data[key] if key == "frame_size" else value
    return f"`{key}` of {where} is {shortened(value)}; give {KINDS[str(key)]}"


def _block_name(data: dict[str, Any], number: int) -> str:
    """`block 'pose'`, or `block 1` where it has no name."""
    block = data["blocks"][number]
    name = block.get("name") if isinstance(block, dict) else None
    return f"block {name!r}" if isinstance(name, str) else f"block {number + 1}"


def _misspelt(data: dict[str, Any], form: type[BaseModel], where: str) -> list[str]:
    missing = [key for key in form.model_fields if key not in data]
    return [
        f"unknown key {key!r}{where} (did you mean {near[0]}?)"
        for key in data
        if key not in form.model_fields
        and (near := difflib.get_close_matches(key.lower(), missing, 1, LIKENESS))
    ]
