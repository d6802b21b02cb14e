"""Writes alignments as text, in the form of sclite's report `pra`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len

from slr_accel.files import write_whole
from slr_accel.scoring.scored import ScoredSequence
from slr_accel.scoring.wer import align

EVAL = {"correct": "", "substitution": "S", "insertion": "I", "deletion": "D"}


def write_aligned_text(path: Path, sequences: Sequence[ScoredSequence]) -> None:
    """Writes each sentence's counts, and its words in columns; asterisks mark an absent word."""
    write_whole(path, "\n".join(_aligned(sequence) for sequence in sequences))


def _aligned(sequence: ScoredSequence) -> str:
    rows = ["REF:  ", "HYP:  ", "Eval: "]
    for reference, hypothesis, op in align(sequence.reference, sequence.hypothesis).pairs:
        width = max(cell_len(word) for word in (reference, hypothesis) if word is not None)
        for i, cell in enumerate((reference or "*" * width, hypothesis or "*" * width, EVAL[op])):
            rows[i] += cell + " " * (width + 1 - cell_len(cell))
    c = sequence.counts
    heading = [f"id: ({sequence.id})"]
    if sequence.signer:
        heading.append(f"Speaker: {sequence.signer}")
    counts = f"{c.correct} {c.substitutions} {c.deletions} {c.insertions}"
    lines = [*heading, f"Scores: (#C #S #D #I) {counts}", *(row.rstrip() for row in rows)]
    return "\n".join(lines) + "\n"
