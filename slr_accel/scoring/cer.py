"""Computes the character error rate of models that spell."""

from __future__ import annotations


def character_error_rate(references: list[list[str]], hypotheses: list[list[str]]) -> float:
    """Divides edits by reference characters over all sentences; above 1 with many insertions.

    A sentence is its words with single spaces between, which count as characters. Every edit costs
    the same (Levenshtein, as jiwer has it), which is not so in `wer.align`.
    """
    import jiwer

    return float(jiwer.cer([" ".join(r) for r in references], [" ".join(h) for h in hypotheses]))
