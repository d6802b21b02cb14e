"""Rules on features: do the train split and another one reach the model alike?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from slr_accel.findings import Finding

GROSS_SHIFT = 2.0
"""Distance of the means, in train deviations, that is gross; signers of a corpus reach 1."""
TIMES_SIGNERS = 2.0
"""A shift counts from this multiple of the largest among the signers of train."""
GROSS_SPREAD = 3.0
"""Ratio of the deviations, either way, that is gross."""
GROSS_ABSENCE = 0.5
"""Difference in the share of frames without the block."""
SWAPPED = 0.5
"""Two blocks are swapped where each lies nearer than this share of its distance to its own."""
SATURATED = 0.05
PREPARE = (
    "Prepare both splits in one go, from sources in the same block order, units and normalisation, "
    "and compare with `slr-accel inspect`."
)


@dataclass(frozen=True)
class BlockComparison:
    """The features of one block in some rows, against those in train rows."""

    block: str
    group: str
    """The feature group that differs most."""
    shift: float
    """Mean distance of the means, in train deviations."""
    spread: float
    """Mean ratio of the deviations to those of train."""
    signer_shift: float
    """The largest shift of one train signer; 0 where there is only one."""
    clamped_train: float
    """Share of the values that the model clamps."""
    clamped: float
    absent_train: float
    """Share of the frames without the block."""
    absent: float
    varies: bool
    """Whether any feature of the block varies in train."""


def feature_findings(
    split: str, blocks: Sequence[BlockComparison], base: Mapping[str, np.ndarray]
) -> Iterator[Finding]:
    """Yields what differs between train and `split`.

    Args:
        blocks: as the model reads them.
        base: {block: [3, columns]}: mean and deviation in train, mean in `split`, as stored.
    """
    swapped = swapped_blocks(base)
    gross = [block for block in blocks if _is_gross(block)]
    if gross and not swapped:
        yield _differ(split, gross)
    for first, second, own, crossed in swapped:
        yield Finding(
            "error",
            "blocks_swapped",
            f"In {split} the blocks {first} and {second} seem to be swapped: {split}'s values of "
            f"each lie {crossed:.2g} deviations from train's values of the other block, but "
            f"{own:.2g} from those of their own.",
            f"Check the order of the columns in the source of {split}. {PREPARE}",
            "likely",
        )
    if blocks and not any(block.varies for block in blocks):
        yield Finding(
            "error",
            "constant_features",
            "No feature of any block varies in train: a model can learn nothing from them.",
            "Check the source, and how its values are read.",
        )
    for block in blocks:
        if abs(block.absent - block.absent_train) > GROSS_ABSENCE:
            yield Finding(
                "error",
                "absence_differs",
                f"Block {block.block} is absent from {block.absent:.0%} of the frames of {split}, "
                f"but from {block.absent_train:.0%} of those of train.",
                "Check how the source of each split marks absence (--missing). " + PREPARE,
            )
        if block.clamped_train > SATURATED:
            yield Finding(
                "warning",
                "features_clamped",
                f"{block.clamped_train:.0%} of the features of block {block.block} in train lie "
                "beyond 10 deviations and are clamped: the model sees little of them.",
                "Look with `slr-accel inspect` for values in another unit or marks of missing "
                "points.",
            )


def swapped_blocks(base: Mapping[str, np.ndarray]) -> list[tuple[str, str, float, float]]:
    """Pairs of blocks that lie at each other's place, with (own, crossed) mean distances."""
    found = []
    for first, second in combinations(base, 2):
        a, b = base[first], base[second]
        if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
            continue
        unit = float(np.mean([a[1], b[1]]))
        if unit == 0:
            continue

        def distance(seen: np.ndarray, usual: np.ndarray, unit: float = unit) -> float:
            return float(np.mean(np.abs(seen[2] - usual[0]))) / unit

        own = min(distance(a, a), distance(b, b))
        crossed = max(distance(a, b), distance(b, a))
        if own > SWAPPED and crossed < SWAPPED * own:
            found.append((first, second, own, crossed))
    return found


def _is_gross(block: BlockComparison) -> bool:
    return (
        block.shift > max(GROSS_SHIFT, TIMES_SIGNERS * block.signer_shift)
        or not 1 / GROSS_SPREAD < block.spread < GROSS_SPREAD
    )


def _differ(split: str, blocks: Sequence[BlockComparison]) -> Finding:
    each = "; ".join(
        f"{block.block} ({block.group}): means {block.shift:.2g} train deviations apart, "
        f"deviation {block.spread:.2g} times that of train, {block.clamped:.0%} of the values "
        "beyond what the model reads"
        for block in blocks
    )
    usual = max(block.signer_shift for block in blocks)
    among = f" Among the signers of train, means differ by up to {usual:.2g}." if usual else ""
    return Finding(
        "error",
        "features_differ",
        f"Features of {split} are not like those of train. {each}.{among}",
        "One of the splits was probably normalised, scaled or ordered otherwise. " + PREPARE,
    )
