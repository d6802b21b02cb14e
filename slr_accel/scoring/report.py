"""Shows a scored split as tables on a terminal, and counts its most frequent errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    console.print(headline(result))
    spelling = f", CER {percent(result['cer'])}" if "cer" in result else ""
    console.print(f"label policy {result['label_policy']}{spelling}", highlight=False)
    if "protocol" in result:
        console.print(f"protocol {result['protocol']}; {own_policy_text(result)}", highlight=False)
    if "new_sentences" in result:
        console.print(new_sentences_text(result), highlight=False)
    console.print(figures_table(result))
    console.print(
        f"blank steps {percent(result['blank_share'])}, "
        f"empty hypotheses {percent(result['empty_share'])}, "
        f"distinct tokens {result['distinct_tokens']}",
        highlight=False,
    )
    if "greedy" in result:
        console.print(greedy_text(result), highlight=False)
    if result.get("calibration", {}).get("bins"):
        console.print(calibration_text(result["calibration"]), highlight=False)
    print_examples(console, sequences[:examples])


def greedy_text(result: dict[str, Any]) -> str:
    """Whether what decoded instead of greedy decoding helped."""
    greedy = result["greedy"]
    return (
        f"WER {percent(greedy['wer'])} with greedy decoding: {helper(result)} helped in "
        f"{greedy['helped']} sentences and hurt in {greedy['hurt']}"
    )


def helper(result: dict[str, Any]) -> str:
    """What decoded instead."""
    return "the language model" if "language model" in result["decoder"] else "the beam"


def calibration_text(figures: dict[str, Any]) -> str:
    """Whether words are as often right as their confidences say."""
    origin = "no temperature fitted"
    if "ece_before" in figures:
        before = percent(figures["ece_before"])
        origin = f"{before} before temperature {figures['temperature']:g}, fitted here"
    elif figures["temperature"] != 1:
        origin = f"temperature {figures['temperature']:g}"
    return (
        f"confidence {percent(figures['mean_confidence'])}, right words "
        f"{percent(figures['word_accuracy'])}, calibration error {percent(figures['ece'])} "
        f"({origin})"
    )


def new_sentences_text(result: dict[str, Any]) -> str:
    """How many sentences train has word for word, and the WER of the others."""
    new, total = result["new_sentences"], result["num_sequences"]
    known = total - new["num_sequences"]
    text = f"{known} of {total} sentences ({known / total:.0%}) are in train word for word"
    return f"{text}; the others: WER {percent(new['wer'])}" if known < total else text


def headline(result: dict[str, Any]) -> Text:
    """The split or file, its WER and the interval."""
    interval = "no interval of one sentence"
    if result["wer_ci95"] is not None:
        low, high = result["wer_ci95"]
        interval = f"95 % interval {percent(low)} to {percent(high)}"
    return Text(f"{result['split']}: WER {percent(result['wer'])}", style="bold") + Text(
        f"  ({interval})", style="not bold"
    )


def own_policy_text(result: dict[str, Any]) -> str:
    """The WER under a run's own label policy, and the lowest ones that its vocabulary allows."""
    return (
        f"under the run's label policy {result['label_policy']}: WER "
        f"{percent(result['policy_wer'])}, at best {percent(result['policy_floor'])} with its "
        f"vocabulary; under the protocol at best {percent(result['protocol_floor'])}"
    )


def print_examples(console: Console, sequences: Sequence[ScoredSequence]) -> None:
    """Sentences with their words in columns."""
    for sequence in sequences:
        title = f"\n{sequence.id}  signer {sequence.signer}  WER {percent(sequence.counts.wer)}"
        console.print(Text(title, style="dim"), soft_wrap=True)
        for line in _aligned_lines(align(sequence.reference, sequence.hypothesis).pairs, console):
            console.print(line, soft_wrap=True)


def percent(fraction: float) -> str:
    """One decimal, as sclite prints it."""
    return f"{100 * fraction:.1f} %"


def figures_table(result: dict[str, Any]) -> Table:
    """WER and counts of all sentences and of each signer."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("signer", overflow="fold")
    for name in ("WER", "sub", "del", "ins", "correct", "tokens", "sentences"):
        table.add_column(name, justify="right", no_wrap=True)
    for signer, figures in [("all", result), *result["per_signer"].items()]:
        keys = ("substitutions", "deletions", "insertions", "correct", "reference_tokens")
        cells = [str(figures[key]) for key in (*keys, "num_sequences")]
        table.add_row(Text(signer), percent(figures["wer"]), *cells)
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
