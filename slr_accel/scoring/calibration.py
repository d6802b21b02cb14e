"""Measures whether words are as often right as their confidences say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from slr_accel.scoring.scored import ScoredSequence
from slr_accel.scoring.wer import align

BINS = 10


def judged(sequences: Sequence[ScoredSequence], confidences: list[list[float]]) -> np.ndarray:
    """[words, 2] of all recognised words: confidence, and 1 where the word is right.

    Args:
        confidences: of the words of each hypothesis.
    """
    words = []
    for sequence, own in zip(sequences, confidences, strict=True):
        pairs = align(sequence.reference, sequence.hypothesis).pairs
        said = [pair.op == "correct" for pair in pairs if pair.hypothesis is not None]
        words += list(zip(own, said, strict=True))
    return np.array(words, float).reshape(-1, 2)


def calibration(words: np.ndarray) -> dict[str, Any]:
    """The expected calibration error over ten equal intervals of confidence (Guo et al. 2017).

    Returns:
        `ece`, a fraction, `mean_confidence`, `word_accuracy` and `bins` (low, high, words,
        confidence, accuracy); nothing where no word was recognised.
    """
    if not len(words):
        return {}
    # Confidences of several processes travel as float32: rounded, they are those of one.
    words = words.round(5)
    place = np.minimum((words[:, 0] * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        own = words[place == number]
        if len(own):
            confidence, accuracy = own.mean(axis=0).round(6).tolist()
            bins.append(
                {
                    "low": number / BINS,
                    "high": (number + 1) / BINS,
                    "words": len(own),
                    "confidence": confidence,
                    "accuracy": accuracy,
                }
            )
    error = sum(b["words"] * abs(b["confidence"] - b["accuracy"]) for b in bins) / len(words)
    confidence, accuracy = words.mean(axis=0).round(6).tolist()
    return {
        "ece": round(error, 6),
        "mean_confidence": confidence,
        "word_accuracy": accuracy,
        "bins": bins,
    }


def log_loss(words: np.ndarray) -> float:
    """Mean negative log-likelihood of right and wrong words under their confidences, nats."""
    sure = words[:, 0].clip(1e-6, 1 - 1e-6)
    right = words[:, 1]
    return float(-(right * np.log(sure) + (1 - right) * np.log(1 - sure)).mean())
