"""The rows of a split that can be scored, and the words that they are scored on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slr_accel.labels.policies import reference_labels

if TYPE_CHECKING:
    import numpy as np

    from slr_accel.corpus.reader import Corpus


def evaluation_rows(corpus: Corpus, split: str) -> np.ndarray:
    """Row numbers of a split to score. Raises ValueError where a row has no labels."""
    rows = corpus.rows.of_split(split)
    unlabelled = ids_without_labels(corpus, rows)
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} sequences of the split {split!r} have no labels to score against, "
            f"the first is {unlabelled[0]}; `slr-accel predict` transcribes without labels"
        )
    return rows


def ids_without_labels(corpus: Corpus, rows: np.ndarray) -> list[str]:
    """The ids of the rows that have no label."""
    return [corpus.rows.id(row) for row in rows if not corpus.labels(row)]


def references(corpus: Corpus, rows: np.ndarray, policy: str) -> list[list[str]]:
    """The words that `rows`, all of one split, are scored on under a label policy."""
    return reference_labels(policy, [corpus.labels(row) for row in rows])
