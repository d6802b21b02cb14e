"""Chooses sequences for validation where a source has no splits."""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slr_accel.corpus.sequence import UNKNOWN_SIGNER


def add_dev_share(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dev_share",
        type=float,
        default=0.2,
        help="share of the sequences of each label that go to dev, always the same ones [0.2]",
    )


@dataclass(frozen=True)
class DevShare:
    """How sequences without a split are divided."""

    share: float = 0.2
    """Of the sequences, for dev."""
    by_signer: bool = False
    """Whether whole signers go to dev."""

    def note(self, count: int) -> str:
        whole = "(whole signers) " if self.by_signer else ""
        return (
            f"{count} sequences have no split: --dev_share {self.share:g} of them {whole}are for "
            "dev, always the same ones"
        )


USUAL_SHARE = DevShare()


def add_by_signer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by_signer",
        action="store_true",
        help="put whole signers into dev, whom training then has not seen [sequences of all]",
    )


def assign_splits(
    labels_of: Mapping[str, Sequence[str]],
    dev_share: float,
    signer_of: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """{id: train or dev}, the same in every run and on every machine.

    The same share of the sequences of each label goes to dev, as far as possible. A hash of the ids
    gives their order.

    Args:
        labels_of: {id: labels}.
        dev_share: at least 0, below 1.
        signer_of: {id: signer}; given, whole signers go to dev.

    Raises:
        ValueError: the share is out of range, or there is one signer only.
    """
    if not 0 <= dev_share < 1:
        raise ValueError(f"--dev_share is {dev_share:g}; give a share from 0 to below 1")
    if signer_of is not None and dev_share:
        dev_signers = _dev_signers(signer_of, dev_share)
        return {id: "dev" if signer_of[id] in dev_signers else "train" for id in labels_of}
    shuffled = sorted(labels_of, key=lambda id: hashlib.sha256(id.encode()).digest())
    same_labels: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for id in shuffled:
        same_labels[tuple(labels_of[id])].append(id)
    place = {id: n / len(ids) for ids in same_labels.values() for n, id in enumerate(ids, 1)}
    # The sort is stable: equals keep the order of the hash.
    dev = set(sorted(shuffled, key=place.__getitem__)[: round(dev_share * len(shuffled))])
    return {id: "dev" if id in dev else "train" for id in labels_of}


def _dev_signers(signer_of: Mapping[str, str], dev_share: float) -> set[str]:
    """Signers, in the order of a hash, whose sequences come nearest to the share."""
    count = Counter(signer_of.values())
    if len(count) < 2:
        raise ValueError(
            f"--by_signer: all sequences are of the signer {next(iter(count), UNKNOWN_SIGNER)!r}; "
            "name signers in the annotations, or leave the option out"
        )
    wanted = dev_share * len(signer_of)
    chosen: set[str] = set()
    taken = 0
    for signer in sorted(count, key=lambda name: hashlib.sha256(name.encode()).digest()):
        nearer = abs(taken + count[signer] - wanted) < abs(taken - wanted)
        if (nearer or not chosen) and len(chosen) < len(count) - 1:
            chosen.add(signer)
            taken += count[signer]
    return chosen
