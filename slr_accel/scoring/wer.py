"""Aligns hypotheses with references and counts errors as NIST's sclite does.

Every WER the project prints goes through `align`. It needs neither torch nor a scoring binary.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain, count
from typing import Literal, NamedTuple

import numpy as np

Op = Literal["correct", "substitution", "insertion", "deletion"]

# sclite's costs (sctk 2.4.10). A substitution costs less than an insertion and a deletion, but more
# than either, so the alignment can hold more errors than the fewest possible.
SUBSTITUTION, INSERTION, DELETION = 4, 3, 3
ROW_CELLS = 4_000
"""Cells that `score` fills at a time, of many sentences: more leave the processor's cache, and put
short sentences beside long ones; fewer take more calls."""
# A cell of these tables is one number: its cost, a rank among equal costs, its substitutions.
COST, RANK = 1 << 41, 1 << 20
WITHOUT_RANK = ~(COST - RANK)


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


NO_ERROR = Counts()


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
    """Counts of each sentence, in order: those of `align`, found for many sentences at once.

    Raises:
        ValueError: the lists differ in length.
    """
    if len(references) != len(hypotheses):
        raise ValueError(
            f"{len(references)} references but {len(hypotheses)} hypotheses: "
            "give one hypothesis (an empty list for nothing recognised) for each reference"
        )
    counts: list[Counts] = [NO_ERROR] * len(references)
    unequal = []
    for i, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        if reference == hypothesis:
            counts[i] = Counts(correct=len(reference))
        else:
            unequal.append((len(hypothesis), len(reference), i))
    batch: list[int] = []
    for length, _, i in sorted(unequal):  # the hypothesis of i is the longest of its batch
        if batch and (length + 1) * (len(batch) + 1) > ROW_CELLS:
            _count_batch(references, hypotheses, batch, counts)
            batch = []
        batch.append(i)
    if batch:
        _count_batch(references, hypotheses, batch, counts)
    return counts


def _count_batch(
    references: list[list[str]], hypotheses: list[list[str]], batch: list[int], out: list[Counts]
) -> None:
    """Writes the counts of the sentences numbered in `batch` to `out`."""
    both = [references[i] for i in batch], [hypotheses[i] for i in batch]
    ids: dict[str, int] = defaultdict(count().__next__)
    ref, r = _numbered(both[0], ids, padding=-1)
    hyp, h = _numbered(both[1], ids, padding=-2)
    cost, substitutions = _cheapest(ref, hyp, r, h)
    gaps = (cost - SUBSTITUTION * substitutions) // INSERTION  # which cost as much as deletions
    deletions = (gaps + r - h) // 2
    counted = (r - substitutions - deletions, substitutions, deletions, gaps - deletions)
    for i, *own in zip(batch, *(numbers.tolist() for numbers in counted), strict=True):
        out[i] = Counts(*own)


def _numbered(
    sentences: list[list[str]], ids: dict[str, int], padding: int
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids [longest, B] and lengths [B]."""
    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    numbers = np.full((len(sentences), lengths.max(initial=0)), padding, dtype=np.int32)
    tokens = list(map(ids.__getitem__, chain.from_iterable(sentences)))
    numbers[np.arange(numbers.shape[1]) < lengths[:, None]] = tokens
    return np.ascontiguousarray(numbers.T), lengths


def _cheapest(
    ref: np.ndarray, hyp: np.ndarray, r: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cost and substitutions of each sentence's alignment, that of `align`: [B] each.

    `align` walks back through the whole table; here each cell has the substitutions of the way that
    ends there, so that a row needs the one above alone. Costs are without the insertions of the
    hypothesis up to their column: a way of insertions goes on without a cost, and the cheapest way
    to each column is the least so far. Ranks put equal ones in the order of `align`: a diagonal
    here, one before (the nearer first), a deletion before (the farther first), a deletion here.
    """
    column = np.arange(len(hyp) + 1, dtype=np.int64)[:, None]
    diagonal = (len(hyp) - column[1:]) * RANK - INSERTION * COST
    deletion = (len(hyp) + column) * RANK + DELETION * COST
    substitution = np.int64(SUBSTITUTION * COST + 1)
    row = np.zeros((len(hyp) + 1, ref.shape[1]), np.int64)  # (H + 1, B)
    ends = np.zeros(ref.shape[1], np.int64)
    for number, tokens in enumerate(ref, 1):
        above, row = row, row + deletion
        step = (tokens != hyp) * substitution
        step += above[:-1]
        step += diagonal
        np.minimum(row[1:], step, out=row[1:])
        np.minimum.accumulate(row, axis=0, out=row)
        row &= WITHOUT_RANK
        over = np.flatnonzero(r == number)
        ends[over] = row[h[over], over]
    return ends // COST + INSERTION * h, ends % RANK
