"""Aligns hypotheses with references and counts errors as NIST's sclite does.

Every WER the project prints goes through `align`. It needs neither torch nor a scoring binary.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Op = Literal["correct", "substitution", "insertion", "deletion"]

# sclite's costs (sctk 2.4.10). A substitution costs less than an insertion and a deletion, but more
# than either, so the alignment can hold more errors than the fewest possible.
SUBSTITUTION, INSERTION, DELETION = 4, 3, 3


class Pair(NamedTuple):
    """One column of an alignment; the absent side of an insertion or deletion is None."""

    reference: str | None
    hypothesis: str | None
    op: Op


@dataclass(frozen=True)
class Counts:
    """Errors of one sentence, or of many added up: `sum(counts, Counts())`."""

    correct: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def reference_tokens(self) -> int:
        return self.correct + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def wer(self) -> float:
        """Errors divided by reference tokens: a fraction, above 1 with many insertions.

        Over an empty reference it is the number of inserted tokens, as in jiwer >= 4, so it is
        always finite and can be written as JSON.
        """
        return self.errors / max(self.reference_tokens, 1)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.correct + other.correct,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


@dataclass(frozen=True)
class Alignment:
    """Reference and hypothesis token beside token, in order."""

    pairs: list[Pair]

    @property
    def counts(self) -> Counts:
        ops = Counter(pair.op for pair in self.pairs)
        return Counts(ops["correct"], ops["substitution"], ops["deletion"], ops["insertion"])


def align(reference: list[str], hypothesis: list[str]) -> Alignment:
    """Finds the cheapest alignment under sclite's weights: substitution 4, else 3.

    Equally cheap alignments can differ in their number of errors (three substitutions cost as much
    as two insertions and two deletions), so ties follow sclite: walking back from the end, diagonal
    first, then insertion, then deletion. Tokens are equal when their strings are; sclite folds
    case by default, which is left to the protocol that prepares the tokens.
    """
    cost = _cost_table(reference, hypothesis)
    pairs: list[Pair] = []
    r, h = len(reference), len(hypothesis)
    while r or h:
        here = cost[r][h]
        if r and h:
            same = reference[r - 1] == hypothesis[h - 1]
            op: Op = "correct" if same else "substitution"
            if here == cost[r - 1][h - 1] + (0 if same else SUBSTITUTION):
                r, h = r - 1, h - 1
                pairs.append(Pair(reference[r], hypothesis[h], op))
                continue
        if h and here == cost[r][h - 1] + INSERTION:
            h -= 1
            pairs.append(Pair(None, hypothesis[h], "insertion"))
        else:
            r -= 1
            pairs.append(Pair(reference[r], None, "deletion"))
    return Alignment(pairs[::-1])


def _cost_table(reference: list[str], hypothesis: list[str]) -> list[list[int]]:
    """`table[r][h]`: the least cost of aligning the first r reference with h hypothesis tokens."""
    above = [h * INSERTION for h in range(len(hypothesis) + 1)]
    table = [above]
    for token in reference:
        left = above[0] + DELETION
        row = [left]
        for h, other in enumerate(hypothesis):
            best = above[h] if token == other else above[h] + SUBSTITUTION
            # Plain comparisons: min() of three is several times slower in this inner loop.
            if left + INSERTION < best:
                best = left + INSERTION
            if above[h + 1] + DELETION < best:
                best = above[h + 1] + DELETION
            row.append(best)
            left = best
        table.append(row)
        above = row
    return table


def score(references: list[list[str]], hypotheses: list[list[str]]) -> list[Counts]:
    """Counts of each sentence, in order. ValueError if the lists differ in length."""
    if len(references) != len(hypotheses):
        raise ValueError(
            f"{len(references)} references but {len(hypotheses)} hypotheses: "
            "give one hypothesis (an empty list for nothing recognised) for each reference"
        )
    return [align(r, h).counts for r, h in zip(references, hypotheses, strict=True)]


def wer_ci95(
    counts: list[Counts], seed: int = 0, resamples: int = 2000
) -> tuple[float, float] | None:
    """Estimates the 95 % interval of the corpus WER by a percentile bootstrap over sentences.

    Sentences, not words, are drawn with replacement, since errors within one depend on each other
    (Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
    ICASSP 2004). It says what another test set of the same kind could have given; it knows nothing
    of the spread between training seeds. The same seed gives the same interval. One sentence has
    none: nothing shows how much sentences differ.
    """
    if not counts:
        raise ValueError("there is no interval over zero sentences: score at least one")
    if len(counts) == 1:
        return None
    errors = np.array([c.errors for c in counts])
    tokens = np.array([c.reference_tokens for c in counts])
    rng = np.random.default_rng(seed)
    wers = np.empty(resamples)
    # One resample at a time: all at once would hold resamples x sentences numbers.
    for i in range(resamples):
        drawn = rng.integers(len(counts), size=len(counts))
        wers[i] = errors[drawn].sum() / max(tokens[drawn].sum(), 1)
    low, high = np.percentile(wers, [2.5, 97.5])
    return float(low), float(high)
