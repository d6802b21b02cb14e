"""Aligns hypotheses with references and counts errors as NIST's sclite does.

Every WER the project prints goes through `align`. It needs neither torch nor a scoring binary.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np

Op = Literal["correct", "substitution", "insertion", "deletion"]

# sclite's costs (sctk 2.4.10). A substitution costs less than an insertion and a deletion, but more
# than either, so the alignment can hold more errors than the fewest possible.
SUBSTITUTION, INSERTION, DELETION = 4, 3, 3
MOST_CELLS = 2_000_000
"""Cells of the cost tables that `score` holds at a time; 4 bytes each."""


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
    """Counts of each sentence, in order: those of `align`, found for many sentences at once.

    Raises:
        ValueError: the lists differ in length.
    """
    if len(references) != len(hypotheses):
        raise ValueError(
            f"{len(references)} references but {len(hypotheses)} hypotheses: "
            "give one hypothesis (an empty list for nothing recognised) for each reference"
        )
    counts = [Counts(correct=len(reference)) for reference in references]
    cells = [(len(r) + 1) * (len(h) + 1) for r, h in zip(references, hypotheses, strict=True)]
    unequal = [i for i, reference in enumerate(references) if reference != hypotheses[i]]
    batch: list[int] = []
    for i in sorted(unequal, key=cells.__getitem__):
        if batch and cells[i] * (len(batch) + 1) > MOST_CELLS:
            _count_batch(references, hypotheses, batch, counts)
            batch = []
        batch.append(i)
    _count_batch(references, hypotheses, batch, counts)
    return counts


def _count_batch(
    references: list[list[str]], hypotheses: list[list[str]], batch: list[int], out: list[Counts]
) -> None:
    """Writes the counts of the sentences numbered in `batch` to `out`."""
    both = [references[i] for i in batch], [hypotheses[i] for i in batch]
    words = dict.fromkeys(chain.from_iterable(chain(*both)))
    ids = {word: number for number, word in enumerate(words)}
    ref, ref_length = _numbered(both[0], ids, padding=-1)
    hyp, hyp_length = _numbered(both[1], ids, padding=-2)
    cost = _cost_tables(ref, hyp)
    ops = _count_backwards(ref, hyp, cost, ref_length, hyp_length)
    for i, counts in zip(batch, ops.T.tolist(), strict=True):
        out[i] = Counts(*counts)


def _numbered(
    sentences: list[list[str]], ids: dict[str, int], padding: int
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids [B, longest] and lengths [B]."""
    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    numbers = np.full((len(sentences), lengths.max(initial=0)), padding, dtype=np.int32)
    tokens = list(map(ids.__getitem__, chain.from_iterable(sentences)))
    numbers[np.arange(numbers.shape[1]) < lengths[:, None]] = tokens
    return numbers, lengths


def _cost_tables(ref: np.ndarray, hyp: np.ndarray) -> np.ndarray:
    """`_cost_table` of each sentence, [R + 1, B, H + 1]; what padding adds lies outside of them."""
    inserted = INSERTION * np.arange(hyp.shape[1] + 1, dtype=np.int32)
    table = np.empty((ref.shape[1] + 1, len(ref), hyp.shape[1] + 1), dtype=np.int32)
    table[0] = inserted
    for r in range(ref.shape[1]):
        above, row = table[r], table[r + 1]
        np.add(above, DELETION, out=row)
        differs = (ref[:, r, None] != hyp).view(np.int8)
        np.minimum(row[:, 1:], above[:, :-1] + SUBSTITUTION * differs, out=row[:, 1:])
        # min over k <= h of row[k] + (h - k) insertions
        row -= inserted
        np.minimum.accumulate(row, axis=1, out=row)
        row += inserted
    return table


def _count_backwards(
    ref: np.ndarray,
    hyp: np.ndarray,
    cost: np.ndarray,
    r: np.ndarray,
    h: np.ndarray,
) -> np.ndarray:
    """Correct, substitutions, deletions, insertions [4, B]: walks back from (r, h) as `align`."""
    ops = np.zeros((4, len(ref)), dtype=np.int64)
    sentence = np.flatnonzero(r + h)
    while len(sentence):
        rows, columns = r[sentence], h[sentence]
        here = cost[rows, sentence, columns]
        both = (rows > 0) & (columns > 0)
        before_r, before_h = np.maximum(rows - 1, 0), np.maximum(columns - 1, 0)
        same = np.zeros(len(sentence), bool)
        if both.any():
            same = ref[sentence, before_r] == hyp[sentence, before_h]
        step = np.where(same, 0, SUBSTITUTION)
        diagonal = both & (here == cost[before_r, sentence, before_h] + step)
        insertion = (columns > 0) & (here == cost[rows, sentence, before_h] + INSERTION)
        insertion &= ~diagonal
        deletion = ~(diagonal | insertion)
        kinds = (diagonal & same, diagonal & ~same, deletion, insertion)
        for count, kind in zip(ops, kinds, strict=True):
            count[sentence] += kind
        r[sentence] -= diagonal | deletion
        h[sentence] -= diagonal | insertion
        sentence = sentence[r[sentence] + h[sentence] > 0]
    return ops
