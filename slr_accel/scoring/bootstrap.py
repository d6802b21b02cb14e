"""Intervals and tests: how far an error rate on a few sentences can be trusted."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from slr_accel.scoring.wer import Counts

Z95 = 1.959964
"""The standard normal's quantile of 97.5 %."""
DRAWN = 50_000
"""Sentences that are drawn at a time; their number does not change what is drawn."""


def wer_ci95(
    counts: list[Counts], seed: int = 0, resamples: int = 2000
) -> tuple[float, float] | None:
    """The 95 % interval of the corpus WER, as fractions: a percentile bootstrap over sentences.

    Sentences, not words, are drawn with replacement, since errors within one depend on each other
    (Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
    ICASSP 2004). Of a few sentences, or of equal ones, the bootstrap sees too little: none of ten
    words wrong would give 0 to 0 %. So the interval is never narrower than Wilson's score interval
    of as many independent words (JASA 22, 1927). It describes what another test set of the same
    kind could have given; it knows nothing of the spread between training seeds. The same seed
    gives the same interval. One sentence has none: nothing shows how much sentences differ.

    Raises:
        ValueError: there is no sentence.
    """
    if not counts:
        raise ValueError("there is no interval over zero sentences: score at least one")
    if len(counts) == 1:
        return None
    low, high = np.percentile(_resampled_wers([counts], seed, resamples)[0], [2.5, 97.5])
    total = sum(counts, Counts())
    if 0 < total.reference_tokens >= total.errors:
        least, most = _wilson(total.errors, total.reference_tokens)
        low, high = min(low, least), max(high, most)
    return float(low), float(high)


def _wilson(errors: int, tokens: int) -> tuple[float, float]:
    rate, z2 = errors / tokens, Z95**2 / tokens
    centre = rate + z2 / 2
    width = Z95 * sqrt(rate * (1 - rate) / tokens + z2 / tokens / 4)
    low, high = (centre - width) / (1 + z2), (centre + width) / (1 + z2)
    return (0.0 if errors == 0 else low), (1.0 if errors == tokens else high)


class PairedTest(NamedTuple):
    """How the WER of one system differs from that of another on the same sentences."""

    difference: float
    """WER of the first minus that of the second, a fraction: negative where the first is better."""
    ci95: tuple[float, float]
    p_value: float
    """Two-sided: how often a difference this large would come by chance between equal systems."""
    better: int
    """Sentences in which the first has fewer errors."""
    worse: int


def paired_test(
    counts: list[Counts], others: list[Counts], seed: int = 0, resamples: int = 10_000
) -> PairedTest | None:
    """The matched-pairs bootstrap of two systems over the same sentences (Bisani and Ney 2004).

    Each resample draws sentences with both systems' errors. The p-value is the share of resamples
    whose difference lies as far from the measured one as that lies from 0. It is never below
    2 / 2^n, where n sentences differ: were the systems equal, each would favour either side by the
    toss of a coin, and all n favour one side that often. One sentence has no test.
    """
    if len(counts) < 2:
        return None
    first, second = _resampled_wers([counts, others], seed, resamples)
    drawn = first - second
    difference = sum(counts, Counts()).wer - sum(others, Counts()).wer
    as_far = np.abs(drawn - difference) >= abs(difference) - 1e-12
    favours = [a.errors - b.errors for a, b in zip(counts, others, strict=True)]
    better, worse = sum(f < 0 for f in favours), sum(f > 0 for f in favours)
    least = 2.0 ** min(0, 1 - better - worse)
    p_value = max(float(1 + as_far.sum()) / (1 + resamples), least)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return PairedTest(difference, (float(low), float(high)), p_value, better, worse)


def _resampled_wers(systems: list[list[Counts]], seed: int, resamples: int) -> np.ndarray:
    """[systems, resamples]; all systems on the same drawn sentences."""
    errors = np.array([[c.errors for c in counts] for counts in systems])
    tokens = np.array([c.reference_tokens for c in systems[0]])
    rng = np.random.default_rng(seed)
    wers = np.empty((len(systems), resamples))
    # Some at a time: all at once would hold resamples x sentences numbers.
    at_once = max(DRAWN // len(tokens), 1)
    for first in range(0, resamples, at_once):
        own = slice(first, min(first + at_once, resamples))
        drawn = rng.integers(len(tokens), size=(own.stop - first, len(tokens)))
        wers[:, own] = errors[:, drawn].sum(-1) / np.maximum(tokens[drawn].sum(-1), 1)
    return wers
