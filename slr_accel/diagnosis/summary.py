"""Prints a diagnosis on a terminal: a page of 80 columns, the verdict first."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from slr_accel.diagnosis.verdict import SURE, heading, sentence

COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
MOST_NOTES = 3
MOST_ROWS = 6


def print_diagnosis(console: Console, result: dict[str, Any]) -> None:
    """Prints what is wrong, the evidence, what to change and how sure it is; then key figures."""
    colour = "bold red" if not result["ok"] else "bold"
    _say(console, result["headline"], colour)
    checkpoint = f", {result['checkpoint']}" if result["checkpoint"] else ""
    _say(console, f"{result['kind']} {result['source']}{checkpoint}", "dim")
    wrong = [f for f in result["findings"] if f["severity"] != "note"]
    for number, finding in enumerate(wrong, 1):
        _print_finding(console, number, finding)
    notes = [f for f in result["findings"] if f["severity"] == "note"]
    shown = [] if wrong else notes[:MOST_NOTES]
    console.print()
    for finding in shown:
        _say(console, f"note: {finding['message']}", "dim")
    if len(notes) > len(shown):
        _say(console, f"notes in the page: {len(notes) - len(shown)}", "dim")
    _print_figures(console, result)
    if result["features"]:
        _print_features(console, result["features"])
    for text in result["unknown"]:
        _say(console, f"not known: {text}", "dim")


def _print_finding(console: Console, number: int, finding: dict[str, Any]) -> None:
    console.print()
    title = Text(f"{number}. {heading(finding['code'])}", style=COLOURS[finding["severity"]])
    console.print(title + Text(f"  {finding['severity']}, {SURE[finding['sure']]}", style="dim"))
    parts = {"evidence": finding["problem"], "change": finding.get("follows") or finding["cure"]}
    for label, text in parts.items():
        if text:
            line = Text(f"{label}: ", style="bold") + Text(sentence(text), style="not bold")
            console.print(Padding(line, (0, 0, 0, 3), expand=False))


def _print_figures(console: Console, result: dict[str, Any]) -> None:
    facts: dict[str, str] = {}
    training, output = result["training"], result["output"]
    if training and training["step"] is not None:
        total = f" of {training['total_steps']:,}" if training["total_steps"] else ""
        facts["progress"] = f"step {training['step']:,}{total}"
        if training["best_wer"] is not None:
            facts["progress"] += f", best WER {training['best_wer']:.1%}"
        if training["forecast"]:
            expected = training["forecast"]
            facts["forecast"] = (
                f"WER {expected['wer']:.1%} at the end "
                f"({expected['low']:.1%} to {expected['high']:.1%})"
            )
    if output:
        own, seen = output["errors"]["wer"], output["errors"]["seen"]
        by_heart = "" if output["train_wer"] is None else f", {output['train_wer']:.1%} on train"
        facts[f"WER {output['split']}"] = (
            f"{own['wer']:.1%}{by_heart} ({own['substitutions']} sub, {own['deletions']} del, "
            f"{own['insertions']} ins of {own['reference_tokens']})"
        )
        facts["output"] = (
            f"blank {_percent(output['blank_probability'])} (expected about "
            f"{output['expected_blank']:.0%}), entropy {_percent(output['entropy'])} of ln V, "
            f"{seen['types_said']} different words said of {seen['types']}"
        )
        facts["unseen"] = (
            f"{seen['unseen_words']} of {seen['reference_words']} words of {output['split']} "
            "never occur in train"
        )
    if facts:
        console.print()
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, fact in facts.items():
            table.add_row(Text(name), Text(fact))
        console.print(table)


def _percent(share: float | None) -> str:
    return "not finite" if share is None else f"{share:.1%}"


def _print_features(console: Console, features: dict[str, Any]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(f"features, {features['split']} / train", overflow="fold")
    for name in ("shift", "signers", "spread", "absent", "in train"):
        table.add_column(name, justify="right", no_wrap=True)
    for block in features["blocks"][:MOST_ROWS]:
        table.add_row(
            Text(block["block"]),
            f"{block['shift']:.2f}",
            f"{block['signer_shift']:.2f}",
            f"{block['spread']:.2f}",
            f"{block['absent']:.0%}",
            f"{block['absent_train']:.0%}",
        )
    console.print()
    console.print(table)


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(Text(text, style=style or ""))
