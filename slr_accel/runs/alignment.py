"""Finds when the words of a sentence begin and end, by a trained model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from slr_accel.ctc.segments import token_segments
from slr_accel.labels.policies import train_labels, word_spans
from slr_accel.runs.opened import OpenedRun
from slr_accel.runs.outputs import frame_rate, outputs, step_frames
from slr_accel.scoring.ctm import CtmRow


@dataclass(frozen=True)
class Aligned:
    """The words of one sequence with times in seconds; None where there are too few steps."""

    id: str
    reference: list[CtmRow] | None
    hypothesis: list[CtmRow] | None


def align_rows(
    opened: OpenedRun,
    rows: np.ndarray,
    said: dict[int, list[int]],
    blank_penalty: float = 0.0,
    *,
    advance: Callable[[int], None] = lambda sequences: None,
    stops: Callable[[], bool] = lambda: False,
) -> list[Aligned]:
    """Aligns rows of the corpus, in their order, with their references and hypotheses.

    Args:
        said: the tokens of each row's hypothesis.
        blank_penalty: that of ctc.segments.
        advance, stops: those of runs.outputs.
    """
    corpus, vocabulary = opened.corpus, opened.vocabulary
    found: dict[int, Aligned] = {}
    for row, log_probs in outputs(opened, rows, advance=advance, stops=stops):
        wanted = train_labels(vocabulary.label_policy, corpus.labels(row))
        tokens = vocabulary.decode(said[row])
        found[row] = Aligned(
            corpus.rows.id(row),
            aligned_words(opened, row, log_probs, wanted, blank_penalty),
            aligned_words(opened, row, log_probs, tokens, blank_penalty),
        )
    return [found[int(row)] for row in rows]


def aligned_words(
    opened: OpenedRun,
    row: int,
    log_probs: np.ndarray,
    tokens: list[str],
    blank_penalty: float = 0.0,
) -> list[CtmRow] | None:
    """The words that tokens spell, with times; None where there are too few output steps.

    Args:
        log_probs: [T', V] of the row.
    """
    vocabulary = opened.vocabulary
    ids = [vocabulary.encode([t])[0] if t in vocabulary else None for t in tokens]
    try:
        segments = token_segments(log_probs, ids, blank_penalty)
    except ValueError:
        return None
    frames = int(opened.corpus.rows.frames[row])
    rate, step = frame_rate(opened), step_frames(opened, row)
    words = []
    for word, first, end in word_spans(vocabulary.label_policy, tokens):
        start, stop = segments[first][0] * step, min(segments[end - 1][1] * step, frames)
        times = (start / rate, (stop - start) / rate)
        words.append(CtmRow(opened.corpus.rows.id(row), *times, word))
    return words
