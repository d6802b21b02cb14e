"""Computes means and standard deviations over the train split, once per run."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from slr_accel.corpus.reader import Corpus
from slr_accel.features.transform import FeatureTransform
from slr_accel.loading.loader import read_ahead
from slr_accel.padding import frame_mask

MOST_SEQUENCES = 1000
SMALLEST_DEVIATION = 1e-4
BATCH = 8


def train_statistics(
    transform: FeatureTransform, corpus: Corpus, rows: np.ndarray, max_frames: int | None
) -> dict[str, Tensor]:
    """Computes statistics over the frames of train rows in which a value is valid.

    At most 1,000 sequences, evenly spread, are read: more would change the means too little to
    matter.

    Returns:
        mean, deviation: [F] of the features, for the transform. The deviation of a constant
            feature is 1, so that the feature becomes 0 instead of noise.
        column_deviation: [base values] of the columns as stored, for augmentation's noise.
    """
    chosen = rows[:: -(-len(rows) // MOST_SEQUENCES)]
    features, columns = _Moments(), _Moments()
    widths = torch.tensor([block.columns for block in corpus.layout.blocks])
    batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    window = np.unique(corpus.rows.shard[chosen])
    for batch in read_ahead(corpus, batches, {}, max_frames, windows=[window]):
        features.add(*transform.groups(batch.features, batch.presence, batch.lengths))
        inside = frame_mask(batch.lengths, batch.features.shape[1])[..., None]
        shown = torch.repeat_interleave(batch.presence & inside, widths, dim=-1)
        columns.add(batch.features, shown)
    mean, deviation = features.result()
    deviation[deviation < SMALLEST_DEVIATION] = 1
    return {"mean": mean, "deviation": deviation, "column_deviation": columns.result()[1]}


class _Moments:
    """Sums up mean and standard deviation of [B, T, C] values where a [B, T, C] mask is set."""

    def __init__(self) -> None:
        self._count = self._sum = self._squares = torch.zeros(())

    def add(self, values: Tensor, valid: Tensor) -> None:
        values = (values * valid).double()
        self._count = self._count + valid.sum(dim=(0, 1))
        self._sum = self._sum + values.sum(dim=(0, 1))
        self._squares = self._squares + values.square().sum(dim=(0, 1))

    def result(self) -> tuple[Tensor, Tensor]:
        count = self._count.clamp(min=1)
        mean = self._sum / count
        variance = (self._squares / count - mean.square()).clamp(min=0)
        return mean.float(), variance.sqrt().float()
