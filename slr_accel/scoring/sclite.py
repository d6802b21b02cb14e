"""Checks counts against NIST's sclite (sctk), where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from slr_accel.scoring.protocols import folds_case
from slr_accel.scoring.scored import ScoredSequence
from slr_accel.scoring.sentences import UNKNOWN_TIME
from slr_accel.scoring.wer import Counts

SENTENCE = re.compile(r"^File: (\S+)$", re.MULTILINE)
SCORES = re.compile(r"^Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", re.MULTILINE)


def sclite_command() -> list[str] | None:
    """How sclite is called here; Debian has it as `sctk sclite`. None where it is absent."""
    if shutil.which("sclite"):
        return ["sclite"]
    return ["sctk", "sclite"] if shutil.which("sctk") else None


def disagreements(sequences: Sequence[ScoredSequence], protocol: str) -> list[str]:
    """A line for each sentence, and the sum, that sclite counts differently; none if all agree.

    sclite reads prepared words. Protocols that keep case have their words numbered first, since to
    sclite some would be equal, or markup.

    Raises:
        ValueError: sclite is not installed, or gives no counts.
    """
    command = sclite_command()
    if command is None:
        raise ValueError(
            "--check needs NIST's sclite: install Debian's or Ubuntu's package, "
            "`apt-get install sctk`, or leave --check out"
        )
    numbers: dict[str, str] = {}

    def written(word: str) -> str:
        if folds_case(protocol):
            return word
        return numbers.setdefault(word, f"w{len(numbers)}")

    references, hypotheses = [], []
    for i, sequence in enumerate(sequences):
        name, words = f"{i:07d}", " ".join(map(written, sequence.reference))
        references.append(f"{name} 1 speaker 0.0 {UNKNOWN_TIME} {words}\n")
        for place, word in enumerate(sequence.hypothesis):
            hypotheses.append(f"{name} 1 {place}.0 1.0 {written(word)}\n")
    found = _run(command, "".join(references), "".join(hypotheses))
    if len(found) != len(sequences):
        raise ValueError(f"sclite counts {len(found)} sentences of {len(sequences)}")
    lines = [
        f"{sequence.id}: ours {_shown(sequence.counts)}, sclite {_shown(counts)}"
        for sequence, counts in zip(sequences, found, strict=True)
        if sequence.counts != counts
    ]
    ours, theirs = sum((s.counts for s in sequences), Counts()), sum(found, Counts())
    if ours != theirs:
        lines.insert(0, f"all: ours {_shown(ours)}, sclite {_shown(theirs)}")
    return lines


def alignment_counts(pra: str) -> dict[str, Counts]:
    """Counts by id in lower case, in the order of sclite's report `pra`: speaker by speaker."""
    counts = (Counts(*map(int, numbers)) for numbers in SCORES.findall(pra))
    return dict(zip(SENTENCE.findall(pra), counts, strict=True))


def _run(command: list[str], stm: str, ctm: str) -> list[Counts]:
    with TemporaryDirectory(prefix="slr-accel-sclite-") as name:
        folder = Path(name)
        (folder / "reference.stm").write_text(stm, encoding="utf-8")
        (folder / "hypothesis.ctm").write_text(ctm, encoding="utf-8")
        words = ["-r", "reference.stm", "stm", "-h", "hypothesis.ctm", "ctm", "-f", "0"]
        done = subprocess.run(
            [*command, *words, "-o", "pra", "stdout"],
            cwd=folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    found = list(alignment_counts(done.stdout).values())
    if done.returncode or not found:
        said = (done.stderr + done.stdout).strip().splitlines() or ["it printed nothing"]
        raise ValueError(f"sclite failed: {said[-1]}")
    return found


def _shown(counts: Counts) -> str:
    return f"C {counts.correct} S {counts.substitutions} D {counts.deletions} I {counts.insertions}"
