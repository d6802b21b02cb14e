"""Selects the sequences that a teacher's soft labels alone teach."""

from __future__ import annotations

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.settings.run import Settings


def unlabelled_rows(settings: Settings, corpus: Corpus, labelled: np.ndarray) -> np.ndarray:
    """The rows of the unlabelled split that are not trained on with their labels.

    Raises:
        ValueError: there is no such split, or it is the one that validation scores.
    """
    split = settings.distillation.unlabelled_split
    if split is None:
        return labelled[:0]
    if split == settings.training.eval_split:
        raise ValueError(
            f"unlabelled_split {split} is the split that validation scores, whose WER would then "
            "say nothing about new recordings; give another --eval_split"
        )
    rows = corpus.rows.of_split(split)
    return rows[~np.isin(rows, labelled)]
