"""Draws charts as SVG text, in colours that the page's style sets for light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 22
LOG_RANGE = 50
"""Largest over smallest value from which a chart is logarithmic, where all are positive."""
ROW, GUTTER = 17, 116
TRACK = 22
CELLS = ((40, 14), (80, 10), (1000, 7))
"""(most steps, width of a cell)"""
LONGEST_NAME = 15
CONTRAST = 0.6
"""Exponent of a probability that makes small ones visible."""


def line_chart(series: Sequence[dict[str, Any]], *, percent: bool = False) -> str:
    """A chart of {label, points: [[x, y], ...]}; the label goes into the page's legend."""
    xs = [x for one in series for x, _ in one["points"]]
    ys = [y for one in series for _, y in one["points"]]
    low, high = min(ys), max(ys)
    is_log = low > 0 and high / low > LOG_RANGE and not percent
    if not is_log:
        low = min(low, 0.0)
        high = high if high > low else low + 1
    scale = math.log10 if is_log else float
    bottom, top = scale(low), scale(high)
    span = (top - bottom) or 1.0
    first, last = min(xs), max(xs)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / ((last - first) or 1)
        up = (scale(y) - bottom) / span
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
    for value in _log_ticks(low, high) if is_log else _ticks(low, high):
        _, y = place(first, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        text = f"{value:.0%}" if percent else f"{value:.3g}"
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4}" text-anchor="end">{text}</text>')
    for x, anchor in ((first, "start"), (last, "end")):
        parts.append(
            f'<text x="{place(x, low)[0]}" y="{HEIGHT - 6}" text-anchor="{anchor}">{x:,.0f}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">step</text>')
    for number, one in enumerate(series):
        points = [place(x, y) for x, y in one["points"]]
        text = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline class="curve s{number}" points="{text}"/>')
        if len(points) < 20:
            parts += [f'<circle class="dot s{number}" cx="{x}" cy="{y}" r="2"/>' for x, y in points]
    return "".join([*parts, "</svg>"])


def _ticks(low: float, high: float) -> list[float]:
    """Round values between, about four."""
    rough = (high - low) / 4
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= 0.99 * rough)
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step + 1e-6) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between, or every second of many."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    return [10.0**power for power in range(first, last + 1, 1 + (last - first) // 5)]


def bar(share: float | None, kind: str = "") -> str:
    """A small bar of a share between 0 and 1; empty of None."""
    width = round(60 * min(max(share or 0.0, 0.0), 1.0), 1)
    return (
        f'<svg class="bar-small" viewBox="0 0 60 8" width="60" height="8" aria-hidden="true">'
        f'<rect class="grid-fill" width="60" height="8" rx="2"/>'
        f'<rect class="fill {kind}" width="{width}" height="8" rx="2"/></svg>'
    )


def heat_map(sentence: dict[str, Any]) -> str:
    """Probabilities over output steps: a row a token, the greedy path framed, the reference's
    alignment as dots."""
    tokens, rows = sentence["tokens"], sentence["probabilities"]
    steps = len(sentence["greedy"])
    cell = cell_width(steps)
    width, height = GUTTER + cell * steps + 4, ROW * len(tokens) + 20
    parts = [f'<svg class="heat" width="{width}" height="{height}" role="img">']
    for index, (token, row) in enumerate(zip(tokens, rows, strict=True)):
        y = ROW * index
        name = token if len(token) <= LONGEST_NAME else token[: LONGEST_NAME - 1] + "…"
        parts.append(
            f'<text x="{GUTTER - 6}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
            f'<line class="grid" x1="{GUTTER}" x2="{width - 4}" y1="{y + 15}" y2="{y + 15}"/>'
        )
        kind = "blank" if index == 0 else "token"
        parts += [
            f'<rect class="{kind}" x="{GUTTER + cell * step}" y="{y + 1}" width="{cell}" '
            f'height="13" fill-opacity="{probability**CONTRAST:.2f}"/>'
            for step, probability in enumerate(row)
            if probability is not None and probability >= 0.01
        ]
    for step, index in enumerate(sentence["greedy"]):
        if index is not None:
            parts.append(
                f'<rect class="path" x="{GUTTER + cell * step + 0.5}" y="{ROW * index + 1.5}" '
                f'width="{cell - 1}" height="12"/>'
            )
    for step, index in enumerate(sentence["aligned"] or []):
        if index is not None:
            parts.append(
                f'<circle class="aligned-dot" cx="{GUTTER + cell * step + cell / 2}" '
                f'cy="{ROW * index + 7.5}" r="2.2"/>'
            )
    bottom = ROW * len(tokens) + 14
    parts += [
        f'<text x="{GUTTER + cell * step}" y="{bottom}">{step}</text>'
        for step in range(0, steps, 10)
    ]
    return "".join([*parts, "</svg>"])


def cell_width(steps: int) -> int:
    """Pixels of an output step in a heat map."""
    return next((width for most, width in CELLS if steps <= most), CELLS[-1][1])


def time_tracks(tracks: dict[str, list[tuple[float, float, str, str]]], steps: int) -> str:
    """Words above a heat map of as many steps: a row for each track of (start, end, word, kind).

    Times are in output steps; `kind` is a class of the page's style.
    """
    cell = cell_width(steps)
    width, height = GUTTER + cell * steps + 4, TRACK * len(tracks)
    parts = [f'<svg class="tracks" width="{width}" height="{height}" role="img">']
    for index, (name, words) in enumerate(tracks.items()):
        y = TRACK * index
        parts.append(f'<text x="{GUTTER - 6}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        nexts = [*(start for start, *_ in words[1:]), float(steps)][: len(words)]
        for (start, end, word, kind), following in zip(words, nexts, strict=True):
            if start >= steps:
                continue
            # The inner svg cuts the word off where the next one begins.
            parts.append(
                f'<svg class="{kind}" x="{GUTTER + cell * start:.1f}" y="{y + 1}" '
                f'width="{cell * max(following - start, 0.1):.1f}" height="{TRACK - 3}">'
                f"<title>{escape(word)}</title>"
                f'<rect width="{cell * (min(end, steps) - start):.1f}" height="100%" rx="2"/>'
                f'<text x="3" y="14">{escape(word)}</text></svg>'
            )
    return "".join([*parts, "</svg>"])
