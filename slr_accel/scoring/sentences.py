"""Writes the sentences of a scored split: references as STM, everything as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from slr_accel.scoring.ctm import CtmRow
from slr_accel.scoring.scored import ScoredSequence
from slr_accel.scoring.words import Word

UNKNOWN_TIME = "1.79769e+308"
"""The end of a sentence of unknown length, as PHOENIX' references have it."""


def write_stm(path: Path, sequences: Sequence[ScoredSequence], references: list[list[str]]) -> None:
    """Writes references sorted by id, without times; a blank in a signer's name becomes `_`."""
    lines = [
        f"{s.id} 1 {'_'.join(s.signer.split()) or 'unknown'} 0.0 {UNKNOWN_TIME} {' '.join(words)}\n"
        for s, words in zip(sequences, references, strict=True)
    ]
    path.write_text("".join(sorted(lines)), encoding="utf-8", newline="\n")


def write_sentences(
    path: Path,
    sequences: Sequence[ScoredSequence],
    references: list[list[str]],
    said: list[list[Word]],
    times: Iterable[CtmRow],
    n_best: list[list[dict[str, Any]]],
) -> None:
    """Writes a line a sentence: id, signer, reference, hypothesis, counts; start, duration and
    confidence of each word; what else a beam holds.

    Args:
        references, said: words before a protocol prepared them; the counts are those after.
        times: of all words of all sentences, in order; seconds.
        n_best: `scoring.words.n_best_words` of each sentence.
    """
    rows = iter(times)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        rows_of = zip(sequences, references, said, n_best, strict=True)
        for sequence, reference, words, best in rows_of:
            own = [next(rows) for _ in words]
            record: dict[str, Any] = {
                "id": sequence.id,
                "signer": sequence.signer,
                "reference": reference,
                "hypothesis": [word.text for word in words],
                "correct": sequence.counts.correct,
                "substitutions": sequence.counts.substitutions,
                "deletions": sequence.counts.deletions,
                "insertions": sequence.counts.insertions,
                "start": [round(row.start, 3) for row in own],
                "duration": [round(row.duration, 3) for row in own],
                "confidence": [round(word.confidence, 4) for word in words],
                **({"n_best": best} if best else {}),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
