"""Reads a layout from JSON: its keys and the kinds of their values, with all problems at once."""

from __future__ import annotations

import difflib
from reprlib import repr as shortened
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slr_accel.layouts.missing import MARKERS, MissingMarker

Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]
KINDS = {
    "blocks": "a list of {name, points, axes}",
    "name": "a text",
    **dict.fromkeys(("points", "axes", "origin", "scale"), "a list of names"),
    "missing": ", ".join(MARKERS),
    "units": "a text",
    "columns": "their number",
    "frame_size": "[width, height] in pixels",
    "block_order": "a list of the blocks' names",
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
    block_order: list[str] | None = None


def read_form(data: Any) -> LayoutForm:
    """Raises ValueError that names every wrong key, and its block."""
    if not isinstance(data, dict):
        kind = KINDS["blocks"]
        raise ValueError(f"a layout is an object with `blocks`, {kind}, not {shortened(data)}")
    problems = _misspelt(data, LayoutForm, "")
    blocks = data["blocks"] if isinstance(data.get("blocks"), list) else []
    names = [f"block {number}" for number in range(1, len(blocks) + 1)]
    for number, block in enumerate(blocks):
        if isinstance(block, dict):
            if isinstance(block.get("name"), str):
                names[number] = f"block {block['name']!r}"
            problems += _misspelt(block, BlockForm, f" of {names[number]}")
    try:
        form = LayoutForm.model_validate(data)
    except ValidationError as error:
        for e in error.errors():
            place, key = "the layout", e["loc"][0]
            if key == "blocks" and len(e["loc"]) > 1:
                place, key = names[int(e["loc"][1])], (*e["loc"], "", "")[2]
            value = shortened(data[key] if key == "frame_size" else e["input"])
            if not key:
                problems.append(f"{place} is {value}; give {{name, points, axes}}")
            elif e["type"] == "missing":
                problems.append(f"{place} has no `{key}`; give {KINDS[str(key)]}")
            else:
                problems.append(f"`{key}` of {place} is {value}; give {KINDS[str(key)]}")
    if problems:
        raise ValueError("this layout cannot be used: " + "; ".join(dict.fromkeys(problems)))
    return form


def _misspelt(data: dict[str, Any], form: type[BaseModel], where: str) -> list[str]:
    missing = [key for key in form.model_fields if key not in data]
    return [
        f"unknown key {key!r}{where} (did you mean {near[0]}?)"
        for key in data
        if key not in form.model_fields
        and (near := difflib.get_close_matches(key.lower(), missing, 1, LIKENESS))
    ]
