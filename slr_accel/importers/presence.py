"""How a source's marker of absence becomes presence, and its values 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from slr_accel.layouts.layout import Layout


def take_presence(features: np.ndarray, layout: Layout, missing: Mapping[str, str]) -> np.ndarray:
    """Finds where blocks are absent, and sets them to 0 there, in `features` itself.

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
    """[T, blocks] bool: which blocks of [T, D] features are anything but zeros."""
    present = [(features[:, columns] != 0).any(axis=1) for columns in layout.slices.values()]
    return np.stack(present, axis=1)
