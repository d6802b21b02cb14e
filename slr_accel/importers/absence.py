"""Finds out where blocks are absent, and sets their values to 0 there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from slr_accel.layouts.layout import Layout


def mark_absent(features: np.ndarray, layout: Layout, missing: Mapping[str, str]) -> np.ndarray:
    """Finds where blocks are absent, and sets them to 0 there, in place.

    Args:
        features: [T, D] float values in the layout's column order.
        missing: how each block marks a frame without it: `zeros`, `nan`, or `none`.

    Returns:
        [T, blocks] bool.

    Raises:
        ValueError: NaN in a block that does not mark absence by it.
    """
    presence = np.ones((len(features), len(layout.blocks)), bool)
    for index, (name, columns) in enumerate(layout.slices.items()):
        block = features[:, columns]
        if missing[name] == "zeros":
            presence[:, index] = (block != 0).any(axis=1)
        elif missing[name] == "nan":
            presence[:, index] = ~np.isnan(block).any(axis=1)
        block[~presence[:, index]] = 0
        if missing[name] != "nan" and np.isnan(block).any():
            frame, column = (int(i) for i in np.argwhere(np.isnan(block))[0])
            raise ValueError(
                f"block {name} has NaN, the first in frame {frame}, column {column} of the block; "
                "repair or leave out this sequence, or, where NaN marks an absent block, use "
                "--missing nan"
            )
    return presence


def nonzero_presence(features: np.ndarray, layout: Layout) -> np.ndarray:
    """[T, blocks] bool: which blocks of [T, D] features have a value other than 0."""
    present = [(features[:, columns] != 0).any(axis=1) for columns in layout.slices.values()]
    return np.stack(present, axis=1)
