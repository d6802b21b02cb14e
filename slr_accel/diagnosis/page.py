"""Writes a diagnosis as one page for a browser: nothing is fetched, no script runs."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from slr_accel import svg
from slr_accel.diagnosis.verdict import SURE, heading, sentence
from slr_accel.scoring.report import ABSENT, MARKS


def write_page(path: Path, result: dict[str, Any]) -> None:
    """Writes the page of a result of `diagnosis.diagnose`."""
    source = files("slr_accel.diagnosis").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Any] = {
        "percent": lambda share: "–" if share is None else f"{100 * share:.1f} %",
        "number": _number,
        "sentence": _with_options,
        "heading": heading,
    }
    environment.filters |= filters
    page = environment.from_string(source).render(
        r=result,
        wrong=[f for f in result["findings"] if f["severity"] != "note"],
        notes=[f for f in result["findings"] if f["severity"] == "note"],
        sure=SURE,
        marks=MARKS,
        absent=ABSENT,
        line_chart=lambda curve: Markup(
            svg.line_chart(curve["series"], percent=curve["name"] in ("wer", "output"))
        ),
        bar=lambda share, kind="": Markup(svg.bar(share, kind)),
        heat_map=lambda one: Markup(svg.heat_map(one)),
    )
    path.write_text(page, encoding="utf-8")


def _with_options(text: str) -> Markup:
    """A sentence whose options and commands stay on a line."""
    marked = re.sub(r"`([^`]+)`|(--\w+)", r"<code>\1\2</code>", str(escape(sentence(text))))
    return Markup(marked)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
