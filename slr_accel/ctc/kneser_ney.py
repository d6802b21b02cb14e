"""Trains n-gram models with interpolated modified Kneser-Ney smoothing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from slr_accel.ctc.language_model import END, START, UNKNOWN, LanguageModel, NGram

NOT_SAID = -99.0
"""log10 probability of the start of a sentence, which no sentence says."""
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts of n-grams seen once, twice and more often where there are too few to estimate them;
lmplz has the same behind --discount_fallback."""
MARKS = {START, END, UNKNOWN}
PARTS, MANY = 10, 5000
"""Parts of the sentences for `held_out_perplexities`, and sentences from which one is enough."""


def train_language_model(sentences: Iterable[list[str]], order: int) -> LanguageModel:
    """Trains a model (Chen and Goodman 1999, "An empirical study of smoothing techniques for
    language modeling", interpolated modified Kneser-Ney; unknown words as in KenLM's lmplz).

    Empty sentences are left out.

    Raises:
        ValueError: there is no sentence, a word is a mark of ARPA files, or the order is below 1.
    """
    if order < 1:
        raise ValueError(f"the order of the language model is {order}; give at least 1")
    counts = _adjusted_counts(sentences, order)
    words = {ngram[0] for ngram in counts[0]} - {START}
    model = LanguageModel(order, {(START,): NOT_SAID})
    # Words, the end of sentences and unknown words share what the discount of unigrams leaves.
    lower: dict[NGram, float] = {(): 1 / (len(words) + 1)}
    for number, own in enumerate(counts, 1):
        own = Counter({ngram: count for ngram, count in own.items() if ngram != (START,)})
        discounts = _discounts(own.values())
        totals: dict[NGram, int] = defaultdict(int)
        held: dict[NGram, float] = defaultdict(float)
        for ngram, count in own.items():
            totals[ngram[:-1]] += count
            held[ngram[:-1]] += discounts[min(count, 3) - 1]
        probabilities = {}
        for ngram, count in own.items():
            context = ngram[:-1]
            rest = count - discounts[min(count, 3) - 1] + held[context] * lower[ngram[1:]]
            probabilities[ngram] = rest / totals[context]
        if number == 1:
            probabilities[UNKNOWN,] = held[()] / totals[()] / (len(words) + 1)
        else:
            for context, total in totals.items():
                model.backoffs[context] = math.log10(held[context] / total)
        model.probabilities |= {ngram: math.log10(p) for ngram, p in probabilities.items()}
        lower = probabilities
    return model


def held_out_perplexities(sentences: list[list[str]], order: int) -> tuple[float, float] | None:
    """Measures how well models of this kind predict sentences that they were not trained on.

    Each of `PARTS` parts of the sentences is predicted by models of the others; of more than
    `MANY` sentences one part is enough. Empty sentences are left out. Copies of a sentence may be
    in several parts: where there are many, as where all signers sign the same, this tells of
    sentences that are repeated, and not of new ones.

    Returns:
        The perplexity a word, the end of sentences among them, of models of this order and of order
        1; None where there are fewer than two sentences a part.
    """
    spoken = [words for words in sentences if words]
    if len(spoken) < 2 * PARTS:
        return None
    nats, predicted = [0.0, 0.0], 0
    for part in range(1 if len(spoken) > MANY else PARTS):
        held = spoken[part::PARTS]
        others = [words for i, words in enumerate(spoken) if i % PARTS != part]
        predicted += sum(len(words) + 1 for words in held)
        for place, own in enumerate((order, 1)):
            model = train_language_model(others, own)
            nats[place] -= math.log(10) * sum(map(model.sentence_log10, held))
    return math.exp(nats[0] / predicted), math.exp(nats[1] / predicted)


def _adjusted_counts(sentences: Iterable[list[str]], order: int) -> list[Counter[NGram]]:
    """For each length of n-grams, how often each occurs; shorter ones than the longest count the
    different words before them, except at the start of a sentence."""
    raw: list[Counter[NGram]] = [Counter() for _ in range(order)]
    for words in sentences:
        if marks := MARKS.intersection(words):
            raise ValueError(f"the word {sorted(marks)[0]!r} is a mark of ARPA files; rename it")
        marked = [START, *words, END] if words else []
        for length, counts in enumerate(raw, 1):
            counts.update(zip(*(marked[start:] for start in range(length)), strict=False))
    if odd := next((word for (word,) in raw[0] if len(word.split()) != 1), None):
        raise ValueError(f"the word {odd!r} holds a blank, which parts words in ARPA files")
    if not raw[0]:
        raise ValueError("there is no sentence to train a language model on")
    adjusted = [
        Counter({ngram: count for ngram, count in counts.items() if ngram[0] == START})
        + Counter(ngram[1:] for ngram in longer)
        for counts, longer in pairwise(raw)
    ]
    return [*adjusted, raw[-1]]


def _discounts(counts: Iterable[int]) -> tuple[float, float, float]:
    """What is taken from n-grams seen once, twice and more often, for those never seen."""
    often = Counter(counts)
    once, twice, thrice, four = (often[number] for number in (1, 2, 3, 4))
    if not (once and twice and thrice):
        return FALLBACK
    share = once / (once + 2 * twice)
    found = (
        1 - 2 * share * twice / once,
        2 - 3 * share * thrice / twice,
        3 - 4 * share * four / thrice,
    )
    # A discount of 0 or less would leave nothing for what was not seen.
    return found if all(0 < d < n for n, d in enumerate(found, 1)) else FALLBACK
