"""Computes means and standard deviations over the train split, once per run.

A tracker's error, one value of 10,000 among thousands near 1, would make the deviation of its
feature a hundred times too large, and the feature vanish. So values that lie absurdly far from a
sample of the others are left out. Where there are none, these are the ordinary moments.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from slr_accel.corpus.reader import Corpus
from slr_accel.features.transform import FeatureTransform
from slr_accel.loading.batch import Batch
from slr_accel.loading.loader import read_ahead
from slr_accel.padding import frame_mask

MOST_SEQUENCES = 1000
SMALLEST_DEVIATION = 1e-4
BATCH = 8
SAMPLED_FRAMES = 2048
"""Frames, evenly spread, whose quantiles say what is usual."""
TAIL = 0.02
"""A value is usual between this quantile and the same one from above. Errors must be rarer."""
FAR = 15.0
"""Values are left out from this many times the distance of those quantiles from the median: of a
normal distribution, 30 standard deviations. None of the corpora of docs/results.md has any."""


class Measured(NamedTuple):
    statistics: dict[str, Tensor]
    """As train_statistics returns them."""
    largest: np.ndarray
    """[rows of the corpus, blocks] size of a row's largest value in a block where it is present;
    NaN where it never is, where the row was not looked at or a value is not finite."""


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
    return measure(transform, corpus, rows, max_frames).statistics


def measure(
    transform: FeatureTransform, corpus: Corpus, rows: np.ndarray, max_frames: int | None
) -> Measured:
    """As `train_statistics`, with the largest values that were met."""
    chosen = rows[:: -(-len(rows) // MOST_SEQUENCES)]
    batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    window = np.unique(corpus.rows.shard[chosen])
    of_each = max(1, SAMPLED_FRAMES // len(chosen))
    features, columns = _Moments(of_each), _Moments(of_each)
    largest = np.full((len(corpus.rows), len(corpus.layout.blocks)), np.nan)
    for is_again in (False, True):
        for batch in read_ahead(corpus, batches, {}, max_frames, windows=[window]):
            values, valid = transform.groups(batch.features, batch.presence, batch.lengths)
            features.add(values, valid, batch.lengths)
            shown = _shown(corpus, batch)
            columns.add(batch.features, shown, batch.lengths)
            if not is_again:
                largest[batch.rows.numpy()] = _largest(corpus, batch, shown)
        # Only where something is left out, everything is read again.
        if is_again or not (features.leaves_out() | columns.leaves_out()):
            break
    mean, deviation = features.result()
    deviation[deviation < SMALLEST_DEVIATION] = 1
    statistics = {"mean": mean, "deviation": deviation, "column_deviation": columns.result()[1]}
    return Measured(statistics, largest)


def _shown(corpus: Corpus, batch: Batch) -> Tensor:
    """[B, T, base values] bool: where the block of a column is present."""
    widths = torch.tensor([block.columns for block in corpus.layout.blocks])
    inside = frame_mask(batch.lengths, batch.features.shape[1])[..., None]
    return torch.repeat_interleave(batch.presence & inside, widths, dim=-1)


def _largest(corpus: Corpus, batch: Batch, shown: Tensor) -> np.ndarray:
    sizes = torch.where(shown, batch.features.float().abs(), -1).amax(dim=1)  # (B, C)
    blocks = [sizes[:, own].amax(dim=1) for own in corpus.layout.slices.values()]
    found = torch.stack(blocks, dim=1).numpy()
    return np.where(np.isfinite(found) & (found >= 0), found, np.nan)


class _Moments:
    """Sums up mean and standard deviation of [B, T, C] values where a [B, T, C] mask is set.

    `leaves_out` ends a first pass over all values: where it returns True, they are to be added
    once more, and those that are absurdly far from the others are then left out.
    """

    def __init__(self, sampled: int) -> None:
        """Samples so many frames of each sequence."""
        self._sampled = sampled
        self._sample: list[Tensor] = []
        self._limits: tuple[Tensor, Tensor] | None = None
        self._clear()

    def _clear(self) -> None:
        self._count = self._sum = self._squares = torch.zeros(())
        self._least, self._most = torch.tensor(torch.inf), torch.tensor(-torch.inf)

    def add(self, values: Tensor, valid: Tensor, lengths: Tensor) -> None:
        if self._limits is None:
            self._add_to_sample(values, valid, lengths)
        else:
            low, high = self._limits
            valid = valid & (values >= low) & (values <= high)
        values = torch.where(valid, values, 0).double()
        self._count = self._count + valid.sum(dim=(0, 1))
        self._sum = self._sum + values.sum(dim=(0, 1))
        self._squares = self._squares + values.square().sum(dim=(0, 1))

    def _add_to_sample(self, values: Tensor, valid: Tensor, lengths: Tensor) -> None:
        wide = values if values.is_floating_point() else values.float()
        least = torch.where(valid, wide, torch.inf).amin(dim=(0, 1))
        most = torch.where(valid, wide, -torch.inf).amax(dim=(0, 1))
        self._least = torch.minimum(self._least, least)
        self._most = torch.maximum(self._most, most)
        for own, is_valid, length in zip(values, valid, lengths.tolist(), strict=True):
            steps = torch.linspace(0, length - 1, min(length, self._sampled)).round().long()
            self._sample.append(torch.where(is_valid[steps], own[steps].float(), torch.nan))

    def leaves_out(self) -> bool:
        """Whether some value is absurd; forgets the sums then."""
        self._limits = low, high = _limits(torch.cat(self._sample))
        self._sample = []
        found = bool(((self._least < low) | (self._most > high)).any())
        if found:
            self._clear()
        return found

    def result(self) -> tuple[Tensor, Tensor]:
        count = self._count.clamp(min=1)
        mean = self._sum / count
        variance = (self._squares / count - mean.square()).clamp(min=0)
        return mean.float(), variance.sqrt().float()


def _limits(sample: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest value, [C] each, that is not absurd beside [frames, C] others, some
    of which are NaN.

    There are no limits where almost all of them are equal, as in rare one-hot columns. The
    outermost value of each side is never part of the quantiles, however few frames there are.
    """
    ordered = sample.T.contiguous().sort(dim=1).values  # (C, frames), NaN last
    last = (ordered.isnan().logical_not().sum(dim=1) - 1).clamp(min=0)
    places = [(last * TAIL).ceil(), last // 2, (last * (1 - TAIL)).floor()]
    index = torch.stack([place.long() for place in places], dim=1)
    low, middle, high = ordered.gather(1, index).nan_to_num(nan=0.0).unbind(dim=1)
    far = FAR * torch.maximum(high - middle, middle - low)
    far = torch.where(far > 0, far, torch.inf)
    return middle - far, middle + far
