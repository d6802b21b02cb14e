"""Shows a scored split: as a page in a browser, as tables on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from slr_accel.scoring.scored import ScoredSequence
from slr_accel.scoring.wer import Pair, align

NUM_CONFUSIONS = 15
ABSENT = "***"  # sclite's mark for the missing side of an insertion or deletion
MARKS = {"correct": "", "substitution": "S", "insertion": "I", "deletion": "D"}
STYLES = {"correct": "", "substitution": "yellow", "insertion": "cyan", "deletion": "red"}


@dataclass(frozen=True)
class Confusions:
    """Most frequent errors first, equally frequent ones in alphabetical order."""

    substitutions: list[tuple[tuple[str, str], int]]
    """((reference, hypothesis), times)"""
    deletions: list[tuple[str, int]]
    insertions: list[tuple[str, int]]


def confusions(sequences: Sequence[ScoredSequence], top: int = NUM_CONFUSIONS) -> Confusions:
    """The `top` most frequent errors of each kind."""
    pairs = [pair for s in sequences for pair in align(s.reference, s.hypothesis).pairs]
    substitutions = Counter(
        (str(p.reference), str(p.hypothesis)) for p in pairs if p.op == "substitution"
    )
    deletions = Counter(str(p.reference) for p in pairs if p.op == "deletion")
    insertions = Counter(str(p.hypothesis) for p in pairs if p.op == "insertion")
    return Confusions(
        _most_frequent(substitutions, top),
        _most_frequent(deletions, top),
        _most_frequent(insertions, top),
    )


def _most_frequent(counter: Counter[Any], top: int) -> list[tuple[Any, int]]:
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:top]


def write_html(path: Path, result: dict[str, Any], sequences: Sequence[ScoredSequence]) -> None:
    """One self-contained page (no script, nothing fetched), sentences with most errors first."""
    source = files("slr_accel.scoring").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda fraction: f"{100 * fraction:.1f} %"
    worst_first = sorted(sequences, key=lambda s: (-s.counts.errors, -s.counts.wer, s.id))
    page = environment.from_string(source).render(
        result=result,
        confusions=confusions(sequences),
        sentences=[(s, align(s.reference, s.hypothesis).pairs) for s in worst_first],
        marks=MARKS,
        absent=ABSENT,
    )
    path.write_text(page, encoding="utf-8")


def print_summary(
    console: Console,
    result: dict[str, Any],
    sequences: Sequence[ScoredSequence],
    examples: int = 5,
) -> None:
    """Prints WER, errors by kind and by signer, and the first `examples` sentences aligned.

    The same sentences each time, so that their change over training shows. Colour only where the
    console has it; errors are marked S, D, I below the words as well.
    """
    interval = "no interval of one sentence"
    if result["wer_ci95"] is not None:
        low, high = result["wer_ci95"]
        interval = f"95 % interval {_percent(low)} to {_percent(high)}"
    console.print(
        Text(f"{result['split']}: WER {_percent(result['wer'])}", style="bold")
        + Text(f"  ({interval})", style="not bold")
    )
    spelling = f", CER {_percent(result['cer'])}" if "cer" in result else ""
    console.print(f"label policy {result['label_policy']}{spelling}", highlight=False)
    console.print(_figures_table(result))
    console.print(
        f"blank steps {_percent(result['blank_share'])}, "
        f"empty hypotheses {_percent(result['empty_share'])}, "
        f"distinct tokens {result['distinct_tokens']}",
        highlight=False,
    )
    for sequence in sequences[:examples]:
        title = f"\n{sequence.id}  signer {sequence.signer}  WER {_percent(sequence.counts.wer)}"
        console.print(Text(title, style="dim"), soft_wrap=True)
        for line in _aligned_lines(align(sequence.reference, sequence.hypothesis).pairs, console):
            console.print(line, soft_wrap=True)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _figures_table(result: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("signer", overflow="fold")
    for name in ("WER", "sub", "del", "ins", "correct", "tokens", "sentences"):
        table.add_column(name, justify="right", no_wrap=True)
    for signer, figures in [("all", result), *result["per_signer"].items()]:
        keys = ("substitutions", "deletions", "insertions", "correct", "reference_tokens")
        cells = [str(figures[key]) for key in (*keys, "num_sequences")]
        table.add_row(Text(signer), _percent(figures["wer"]), *cells)
    return table


def _aligned_lines(pairs: list[Pair], console: Console) -> list[Text]:
    """REF, HYP and mark lines, token under token, broken where the console ends."""
    lines: list[Text] = []
    rows: list[Text] = []
    for reference, hypothesis, op in pairs or [Pair("(no words)", "(no words)", "correct")]:
        cells = (reference or ABSENT, hypothesis or ABSENT, MARKS[op])
        width = max(map(cell_len, cells)) + 1
        if not rows or rows[0].cell_len + width > console.width:
            lines += rows
            rows = [Text("REF  "), Text("HYP  "), Text("     ")]
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell + " " * (width - cell_len(cell)), style=STYLES[op])
    for line in (lines := lines + rows):
        line.rstrip()
    return [line for line in lines if line.plain]
