"""Implements `slr-accel compare RUN RUN ...`: which run is better, and is that more than chance?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slr_accel.commands.help_text import Description

if TYPE_CHECKING:
    from rich.console import Console

    from slr_accel.runs.results import RunResult

DESCRIPTION = """\
Compares runs on the sentences of a split that evaluate has scored: WER with intervals, a paired
test of each run against the first, signers, the settings that differ, size and speed, and the
sentences that changed.

Example:
  slr-accel compare runs/student runs/teacher --split dev --out compare.html
"""
ERRORS = ("substitutions", "deletions", "insertions", "reference_tokens", "num_sequences")
PLACES = ("data_dir", "output_dir", "cache_dir")
"""Settings that say where things lie; an address may hold a password."""
TOP = 5
"""Sentences that the terminal shows."""
SIZES = {
    "parameters": "{:,}",
    "megabytes": "{:.1f}",
    "training_frames_per_second": "{:,.0f}",
    "device": "{}",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = Description
    parser.description = DESCRIPTION
    parser.add_argument("runs", nargs="+", metavar="RUN", help="two run folders or more")
    parser.add_argument("--split", default="dev", help="[dev]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a page: compare.html")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON alone")


def run(args: argparse.Namespace) -> int:
    from slr_accel.runs.results import read_results
    from slr_accel.terminal import Terminal

    if len(args.runs) < 2:
        raise ValueError("give two runs or more to compare")
    if args.out is not None and not args.out.absolute().parent.is_dir():
        raise ValueError(f"--out {args.out}: there is no folder {args.out.parent}")
    comparison = compare_results(read_results(args.runs, args.split), args.split)
    if args.out is not None:
        from slr_accel.files import replaced
        from slr_accel.scoring.compare_page import write_comparison

        with replaced(args.out) as path:
            write_comparison(path, comparison, sections(comparison))
    if args.json:
        print(json.dumps(comparison, indent=1, ensure_ascii=False, allow_nan=False))
        return 0
    console = Terminal()
    show(console, comparison)
    if args.out is not None:
        print(f"\npage: {args.out}")
    return 0


def compare_results(results: list[RunResult], split: str) -> dict[str, Any]:
    """All that is shown, as JSON has it; lists have one entry a run, in the order given.

    Raises:
        ValueError: the runs have no scored sentence in common.
    """
    from slr_accel.scoring.compare_systems import (
        against_first,
        changed,
        differing,
        shared_ids,
        signers,
    )

    systems = [result.sentences for result in results]
    ids, other = shared_ids(systems)
    if not ids:
        raise ValueError(
            f"the runs have no sentence of {split} in common that they scored on the same words: "
            "evaluate them with the same --data_dir and --protocol"
        )
    keys = ("wer", "wer_ci95", "cer", "decoder", "checkpoint", "data_dir", "protocol")
    settings = [
        {"decoder": result.figures.get("decoder")}
        | {name: value for name, value in result.config.items() if name not in {*PLACES, "decoder"}}
        for result in results
    ]
    return {
        "split": split,
        "runs": [
            {
                "name": result.name,
                **{key: result.figures[key] for key in keys if key in result.figures},
                **{key: result.figures[key] for key in ERRORS if key in result.figures},
                **result.size,
            }
            for result in results
        ],
        "sentences": len(ids),
        "not_compared": other,
        "against_first": against_first(systems, ids),
        "signers": signers(systems, ids),
        # The settings of a model without its run are not known.
        "settings": differing(settings) if all(result.config for result in results) else {},
        "changed": changed(systems, ids),
    }


def show(console: Console, comparison: dict[str, Any]) -> None:
    """Prints the comparison as tables."""
    from rich.table import Table
    from rich.text import Text

    from slr_accel.scoring.report import percent

    runs = comparison["runs"]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(comparison["split"], overflow="fold")
    for name in ("WER", "95 % interval", "sub", "del", "ins", "against the first"):
        table.add_column(name, justify="right")
    for one, test in zip(runs, [None, *comparison["against_first"]], strict=True):
        interval = " to ".join(map(percent, one["wer_ci95"])) if one.get("wer_ci95") else ""
        counts = [str(one.get(name, "")) for name in ERRORS[:3]]
        table.add_row(
            Text(one["name"]), percent(one["wer"]), interval, *counts, difference_text(test)
        )
    console.print(table)
    if comparison["not_compared"]:
        names = ", ".join(comparison["not_compared"][:TOP])
        console.print(
            f"{len(comparison['not_compared'])} sentences are not in all runs, or have other "
            f"references there, and are left out of the tests and of what follows: {names}",
            markup=False,
        )
    for title, rows in sections(comparison).items():
        if not rows:
            continue
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column(title, overflow="fold")
        for one in runs:
            table.add_column(Text(one["name"]), justify="right", overflow="fold")
        for name, cells in rows.items():
            table.add_row(Text(name), *map(Text, cells))
        console.print()
        console.print(table)
    _show_changed(console, comparison)


def _show_changed(console: Console, comparison: dict[str, Any]) -> None:
    """Prints the sentences that changed most, each with its errors by every run."""
    runs, sentences = comparison["runs"], comparison["changed"]
    console.print(f"\n{len(sentences)} of {comparison['sentences']} sentences changed")
    width = max(len(one["name"]) for one in runs)
    for sentence in sentences[:TOP]:
        console.print(f"\n{sentence['id']}  signer {sentence['signer']}", markup=False, style="dim")
        console.print(f"{'':{width}}     {' '.join(sentence['reference'])}", markup=False)
        for one, words, errors in zip(
            runs, sentence["hypotheses"], sentence["errors"], strict=True
        ):
            console.print(f"{one['name']:{width}} {errors:2}  {' '.join(words)}", markup=False)


def difference_text(test: dict[str, Any] | None) -> str:
    """The difference in points with its p-value; empty where there is no test."""
    if test is None:
        return ""
    return f"{100 * test['difference']:+.1f} points, p = {test['p_value']:.2g}"


def sections(comparison: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """The tables with a column a run: title -> name of the row -> cells."""
    from slr_accel.scoring.report import percent

    runs = comparison["runs"]
    sizes = {
        name.replace("_", " "): [form.format(one[name]) if name in one else "" for one in runs]
        for name, form in SIZES.items()
    }
    return {
        "WER by signer": {
            signer: [percent(wer) for wer in wers] for signer, wers in comparison["signers"].items()
        },
        "size and speed": {name: cells for name, cells in sizes.items() if any(cells)},
        "settings that differ": {
            name: [str(value) for value in values]
            for name, values in comparison["settings"].items()
        },
    }
