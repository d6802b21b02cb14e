"""Compares an exported graph with the model on real sequences, and measures its speed."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from slr_accel.corpus.reader import Corpus
from slr_accel.ctc.decoders import greedy_decode
from slr_accel.export.session import Run
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.loader import padded, subsampled
from slr_accel.scoring.references import references
from slr_accel.scoring.scored import count_errors, scored_sequences
from slr_accel.scoring.words import recognised_texts

TOLERANCE = 1e-4
"""Largest difference of a log-probability between the fp32 graph and torch."""
PASSES = 3

Input = tuple[np.ndarray, np.ndarray]
"""Values [T, D] float32 and presence [T, blocks] of a sequence."""


def read_inputs(corpus: Corpus, rows: Sequence[int], max_frames: int | None) -> list[Input]:
    """Reads rows as a model takes them."""
    return [
        (
            subsampled(np.asarray(corpus.features(row), np.float32), max_frames),
            subsampled(np.array(corpus.presence(row)), max_frames),
        )
        for row in rows
    ]


def largest_difference(one: Run, other: Run, inputs: Sequence[Input]) -> float:
    """The largest difference of a log-probability between two of a model's forms.

    The sequences are read alone and in one padded batch; so are a single frame and the first two.
    """
    values, presence = inputs[0]
    inputs = [*inputs, (values[:1], presence[:1]), (values[:2], presence[:2])]
    worst = 0.0
    for batch in [[own] for own in inputs] + [list(inputs)]:
        given = _batch(batch)
        (a, steps), (b, other_steps) = one(*given), other(*given)
        if steps.tolist() != other_steps.tolist():
            return float("inf")
        for own, of_other, length in zip(a, b, steps, strict=True):
            difference = np.abs(own[:length] - of_other[:length])
            # NaN is a difference too, and `max` would lose it.
            worst = max(worst, float(np.nan_to_num(difference.max(), nan=np.inf)))
    return worst


def word_error_rate(
    run: Run, inputs: Sequence[Input], corpus: Corpus, rows: np.ndarray, vocabulary: Vocabulary
) -> float:
    """WER (a fraction) of greedy decoding over rows of one split, each read alone."""
    hypotheses = []
    for own in inputs:
        log_probs, steps = run(*_batch([own]))
        hypotheses += greedy_decode(torch.from_numpy(log_probs), torch.from_numpy(steps))
    ids = [corpus.rows.id(row) for row in rows]
    expected = references(corpus, rows, vocabulary.label_policy)
    scored = scored_sequences(ids, ids, expected, recognised_texts(vocabulary, hypotheses))
    return float(count_errors(scored)["wer"])


def milliseconds_a_second(run: Run, inputs: Sequence[Input], frames_per_second: float) -> float:
    """Milliseconds of computation for a second of signing, alone: the best of a few passes."""
    seconds = sum(len(values) for values, _ in inputs) / frames_per_second
    batches = [_batch([own]) for own in inputs]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    taken = []
    for _ in range(1 + PASSES):  # the first one warms up
        start = time.perf_counter()
        for batch in batches:
            run(*batch)
        taken.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return 1e3 * min(taken[1:]) / seconds


def _batch(inputs: Sequence[Input]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, presence = zip(*inputs, strict=True)
    lengths = np.array([len(own) for own in values], np.int64)
    return padded(values).numpy(), padded(presence).numpy(), lengths
