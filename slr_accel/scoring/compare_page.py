"""Writes a comparison of runs as one page for a browser: nothing is fetched, no script runs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from slr_accel.scoring.wer import align

MOST_SENTENCES = 300


def write_comparison(path: Path, comparison: dict[str, Any], tables: dict[str, Any]) -> None:
    """Writes the page.

    Args:
        comparison: of `slr-accel compare --json`.
        tables: title -> name of a row -> a cell for each run.
    """
    source = files("slr_accel.scoring").joinpath("compare.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda fraction: f"{100 * fraction:.1f} %"
    limits = [one["wer_ci95"] for one in comparison["runs"] if one.get("wer_ci95")]
    page = environment.from_string(source).render(
        c=comparison,
        tables=tables,
        most=max([high for _, high in limits], default=1.0) * 1.05 or 1.0,
        shown=[
            (one, [align(one["reference"], words).pairs for words in one["hypotheses"]])
            for one in comparison["changed"][:MOST_SENTENCES]
        ],
    )
    path.write_text(page, encoding="utf-8")
