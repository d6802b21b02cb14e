"""Chooses sequences for validation where a source has no splits."""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence


def add_dev_share(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dev_share",
        type=float,
        default=0.2,
        help="share of the sequences of each label that go to dev, always the same ones [0.2]",
    )


def assign_splits(labels_of: Mapping[str, Sequence[str]], dev_share: float) -> dict[str, str]:
    """{id: train or dev}, the same in every run and on every machine.

    The same share of the sequences of each label goes to dev, as far as possible. A hash of the ids
    gives their order.

    Args:
        labels_of: {id: labels}.
        dev_share: at least 0, below 1.

    Raises:
        ValueError: the share is out of range.
    """
    if not 0 <= dev_share < 1:
        raise ValueError(f"--dev_share is {dev_share:g}; give a share from 0 to below 1")
    shuffled = sorted(labels_of, key=lambda id: hashlib.sha256(id.encode()).digest())
    same_labels: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for id in shuffled:
        same_labels[tuple(labels_of[id])].append(id)
    place = {id: n / len(ids) for ids in same_labels.values() for n, id in enumerate(ids, 1)}
    # The sort is stable: equals keep the order of the hash.
    dev = set(sorted(shuffled, key=place.__getitem__)[: round(dev_share * len(shuffled))])
    return {id: "dev" if id in dev else "train" for id in labels_of}
