"""Writes a scored split as one page for a browser, which fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from slr_accel import svg
from slr_accel.scoring.report import (
    ABSENT,
    MARKS,
    calibration_text,
    confusions,
    greedy_text,
    helper,
)
from slr_accel.scoring.report_details import Details
from slr_accel.scoring.scored import ScoredSequence
from slr_accel.scoring.wer import align

MOST_COLUMNS = 200
"""Sentences shown word over word; those after them have a line each."""
FACTS = {
    "decoder": "Decoder",
    "cer": "CER",
    "protocol": "Protocol",
    "label_policy": "Label policy",
    "checkpoint": "Checkpoint",
    "data_dir": "Data",
    "hypothesis": "Hypotheses",
    "reference": "References",
}
"""What the page names of a result, where the result has it."""


def write_html(
    path: Path,
    result: dict[str, Any],
    sequences: Sequence[ScoredSequence],
    details: Details | None = None,
) -> None:
    """Writes one self-contained page, sentences with most errors first.

    Args:
        result: figures with the keys of `eval/<split>.json`.
        details: what is known of the run; None: scores alone are shown.
    """
    package = files("slr_accel.scoring")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda fraction: f"{100 * fraction:.1f} %"
    worst_first = sorted(sequences, key=lambda s: (-s.counts.errors, -s.counts.wer, s.id))
    aligned = [(s, align(s.reference, s.hypothesis).pairs) for s in worst_first]
    details = details or Details()
    page = environment.from_string(
        package.joinpath("report.html.j2").read_text(encoding="utf-8")
    ).render(
        result=result,
        details=details,
        confusions=confusions(sequences),
        sentences=aligned,
        replayed=[(s, pairs) for s, pairs in aligned if s.id in details.sentences],
        most_columns=MOST_COLUMNS,
        marks=MARKS,
        absent=ABSENT,
        facts=FACTS,
        calibration_text=calibration_text,
        greedy_text=greedy_text,
        helper=helper,
        line_chart=lambda curve: Markup(
            svg.line_chart(curve["series"], percent=curve["name"] in ("wer", "output"))
        ),
        bar=lambda share: Markup(svg.bar(share)),
        tracks=lambda one: Markup(svg.time_tracks(one.tracks, len(one.output["greedy"]))),
        heat_map=lambda one: Markup(svg.heat_map(one.output)),
        named=lambda rows: [(row["name"], row) for row in rows],
        gutter=svg.GUTTER,
        cell=lambda one: svg.cell_width(len(one.output["greedy"])),
        clips=_for_script({"skeleton": details.skeleton, "clips": details.clips}),
        script=Markup(package.joinpath("report.js").read_text(encoding="utf-8")),
    )
    path.write_text(page, encoding="utf-8")


def _for_script(data: dict[str, Any]) -> Markup:
    """JSON that may stand in a script element: a `<` would end it."""
    return Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"))
