"""Measures the features that a model reads, row by row, so that parts of a corpus can be compared.

Both splits go through the model's own feature transform, as they do in training and evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from slr_accel.corpus.reader import Corpus
from slr_accel.diagnosis.feature_rules import BlockComparison
from slr_accel.features.transform import LARGEST, FeatureTransform
from slr_accel.loading.loader import load_batch

SMALLEST = 1e-6


@dataclass(frozen=True)
class Moments:
    """Sums over the frames of each of N rows in which a value is valid and finite."""

    count: np.ndarray
    """[N, C]"""
    total: np.ndarray
    squares: np.ndarray

    def mean_and_deviation(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Over some rows together: [C] each; NaN where no value is valid."""
        count = self.count[rows].sum(axis=0).astype(float)
        count[count == 0] = np.nan
        mean = self.total[rows].sum(axis=0) / count
        variance = self.squares[rows].sum(axis=0) / count - mean**2
        return mean, np.sqrt(np.maximum(variance, 0))


@dataclass(frozen=True)
class RowFigures:
    """The figures of N rows. F features, D base values, B blocks that the model reads."""

    rows: np.ndarray
    features: Moments
    """Of standardised features, clamped as the model clamps them."""
    base: Moments
    """Of the values as the corpus stores them."""
    clamped: np.ndarray
    """[N, F] values that were clamped."""
    absent: np.ndarray
    """[N, B] share of frames in which a block is absent."""
    non_finite: np.ndarray
    """[N] features that are NaN or infinite."""


@torch.no_grad()
def measure_rows(
    transform: FeatureTransform, corpus: Corpus, rows: np.ndarray, max_frames: int | None
) -> RowFigures:
    """Puts each row through the transform; reads nothing else."""
    device = transform.mean.device
    widths = [block.columns for block in corpus.layout.blocks]
    used = [corpus.layout.block_index(block.name) for block in transform.columns.blocks]
    features, base, clamped, absent, non_finite = [], [], [], [], []
    for row in rows:
        batch = load_batch(corpus, np.array([row]), {}, max_frames).to(device)
        values, valid = transform.groups(batch.features, batch.presence, batch.lengths)
        values = ((values - transform.mean) / transform.deviation)[0].cpu()
        valid = valid[0].cpu()
        finite = values.isfinite()
        non_finite.append(int((valid & ~finite).sum()))
        clamped.append(((values.abs() >= LARGEST) & valid).sum(dim=0).numpy())
        features.append(_sums(values.clamp(-LARGEST, LARGEST), valid & finite))
        presence = batch.presence[0].cpu()
        stored = batch.features[0].cpu().double()
        shown = presence.repeat_interleave(torch.tensor(widths), dim=1)
        base.append(_sums(stored, shown & stored.isfinite()))
        absent.append(1 - presence[:, used].double().mean(dim=0).numpy())
    return RowFigures(
        rows,
        _moments(features),
        _moments(base),
        np.stack(clamped),
        np.stack(absent),
        np.array(non_finite),
    )


def _sums(values: torch.Tensor, valid: torch.Tensor) -> np.ndarray:
    """[3, C]: count, sum and sum of squares over time."""
    values = values.double().where(valid, 0.0)
    return torch.stack([valid.sum(dim=0), values.sum(dim=0), values.square().sum(dim=0)]).numpy()


def _moments(sums: list[np.ndarray]) -> Moments:
    return Moments(*np.stack(sums, axis=1))


def compare_blocks(
    transform: FeatureTransform, train: RowFigures, other: RowFigures, signers: list[str]
) -> list[BlockComparison]:
    """Compares other rows with train rows, block by block.

    Args:
        signers: of the train rows; the drift among them is the measure of what is usual.
    """
    every = np.arange(len(train.rows))
    mean, deviation = train.features.mean_and_deviation(every)
    own = [np.flatnonzero(np.array(signers) == name) for name in sorted(set(signers))]
    found = []
    for index, block in enumerate(transform.columns.blocks):
        groups = transform.columns.places(block)

        def differs(
            figures: RowFigures,
            rows: np.ndarray,
            groups: list = groups,
        ) -> tuple[float, float, str]:
            """(largest shift, most unusual spread, their group) among the groups of a block."""
            means, deviations = figures.features.mean_and_deviation(rows)
            worst = (0.0, 1.0, groups[0][0])
            for group, columns, _ in groups:
                # A block that is absent has no means, which is another rule's matter.
                varies = (deviation[columns] > SMALLEST) & np.isfinite(means[columns])
                if not varies.any():
                    continue
                usual = deviation[columns][varies]
                shift = _mean(np.abs(means[columns] - mean[columns])[varies] / usual)
                spread = _mean(deviations[columns][varies] / usual)
                if _size(shift, spread) > _size(*worst[:2]):
                    worst = (shift, spread, group)
            return worst

        shift, spread, group = differs(other, np.arange(len(other.rows)))
        usual_shift = max((differs(train, rows)[0] for rows in own), default=0.0)
        columns = np.concatenate([np.arange(s.start, s.stop) for _, s, _ in groups])
        found.append(
            BlockComparison(
                block=block.name,
                group=group,
                shift=shift,
                spread=spread,
                signer_shift=usual_shift if len(own) > 1 else 0.0,
                clamped_train=_share(train.clamped, train.features.count, columns),
                clamped=_share(other.clamped, other.features.count, columns),
                absent_train=float(train.absent[:, index].mean()),
                absent=float(other.absent[:, index].mean()),
                varies=bool((deviation[columns] > SMALLEST).any()),
            )
        )
    return found


def signer_drift(
    transform: FeatureTransform, train: RowFigures, other: RowFigures, signers: dict[str, list[int]]
) -> list[dict[str, object]]:
    """How far each signer's means lie from those of train, by block, in train deviations.

    Args:
        signers: {name: positions among the other rows}.
    """
    mean, deviation = train.features.mean_and_deviation(np.arange(len(train.rows)))
    drift = []
    for name, rows in signers.items():
        means, _ = other.features.mean_and_deviation(np.array(rows))
        distance = np.abs(means - mean) / np.where(deviation > SMALLEST, deviation, np.nan)
        by_block = {
            block.name: _mean(np.concatenate([distance[s] for _, s, _ in places]))
            for block in transform.columns.blocks
            if (places := transform.columns.places(block))
        }
        drift.append({"signer": name, "sequences": len(rows), "shift": by_block})
    return drift


def base_means(corpus: Corpus, train: RowFigures, other: RowFigures) -> dict[str, np.ndarray]:
    """{block: [3, columns]}: mean and deviation in train, and mean in the other rows, as stored."""
    mean, deviation = train.base.mean_and_deviation(np.arange(len(train.rows)))
    others, _ = other.base.mean_and_deviation(np.arange(len(other.rows)))
    stacked = np.stack([mean, deviation, others])
    return {name: stacked[:, columns] for name, columns in corpus.layout.slices.items()}


def _share(part: np.ndarray, whole: np.ndarray, columns: np.ndarray) -> float:
    return float(part[:, columns].sum() / max(whole[:, columns].sum(), 1))


def _mean(values: np.ndarray) -> float:
    """The mean of the finite values; 0 of none."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else 0.0


def _size(shift: float, spread: float) -> float:
    return shift + abs(np.log(max(spread, 1e-3)))
