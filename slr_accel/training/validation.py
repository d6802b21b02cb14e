"""A validation: WER, CER of what is spelled, and CTC health of a split; alike on every process."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.vocabulary import Vocabulary
from slr_accel.ctc.health import warning
from slr_accel.scoring.cer import character_error_rate
from slr_accel.scoring.transcribe import transcribe
from slr_accel.scoring.wer import Counts, score
from slr_accel.scoring.words import recognised_texts
from slr_accel.settings import Settings
from slr_accel.training.data import references


def validate(
    accelerator: Any,
    model: nn.Module,
    settings: Settings,
    corpus: Corpus,
    rows: np.ndarray,
    vocabulary: Vocabulary,
) -> tuple[dict[str, Any], str | None]:
    """Figures of the rows for the log, and what looks wrong with the hypotheses."""
    transcript = transcribe(
        accelerator,
        model,
        corpus,
        rows,
        batch_size=4 * settings.loading.batch_size,
        batch_frames=settings.loading.frame_budget,
        max_frames=settings.loading.max_frames,
        shard_window=settings.loading.shard_window,
    )
    hypotheses = recognised_texts(vocabulary, transcript.hypotheses)
    expected = references(corpus, rows, vocabulary.label_policy)
    total = sum(score(expected, hypotheses), Counts())
    health = transcript.health
    figures = {
        "wer": total.wer,
        "substitutions": total.substitutions,
        "deletions": total.deletions,
        "insertions": total.insertions,
        "blank_share": health.blank_share,
        "empty_share": health.empty_share,
        "distinct_tokens": health.distinct_tokens,
    }
    if vocabulary.label_policy == "characters":
        figures["cer"] = character_error_rate(expected, hypotheses)
    return figures, warning(health)
