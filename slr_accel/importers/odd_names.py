"""Notes labels and splits that are read as they stand, and are probably meant otherwise."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from slr_accel.corpus.split_names import FOR_VALIDATION
from slr_accel.importers.listing import Problems

MOST_SHOWN = 5
USUAL_SPLITS = ("train", "dev", "test")


class Named(Protocol):
    @property
    def split(self) -> str: ...
    @property
    def labels(self) -> list[str]: ...


def note_odd_names(source: str, rows: Sequence[Named], problems: Problems) -> None:
    """Adds notes; `source` names the file."""
    counts = Counter(label for row in rows for label in row.labels)
    for odd, cure in _odd_labels(counts):
        number = sum(counts[label] for label in odd)
        shown = ", ".join(repr(label) for label in odd[:MOST_SHOWN])
        more = ", ..." if len(odd) > MOST_SHOWN else ""
        problems.notes.append(f"{source}: {number} labels {cure}: {shown}{more}")
    for split, number in Counter(row.split for row in rows).items():
        usual = split.lower()
        usual = "dev" if usual in FOR_VALIDATION else usual
        if split != usual and usual in USUAL_SPLITS:
            rest = ", or give `train --eval_split`" if usual == "dev" else ""
            problems.notes.append(
                f"{source}: {number} rows have the split {split!r}; training looks for {usual!r}: "
                f"rename it{rest}"
            )


def _odd_labels(counts: Counter[str]) -> list[tuple[list[str], str]]:
    """(labels, what is odd in them and what to do) of each kind there is."""
    composed = Counter(unicodedata.normalize("NFC", label) for label in counts)
    kinds = [
        (
            [label for label in counts if label[-1] in ",;" and len(label) > 1],
            "end in a comma or semicolon, which makes them other glosses; remove it",
        ),
        (
            [label for label in counts if "|" in label.strip("|")],
            "hold a |; if it stands between glosses, put spaces there",
        ),
        (
            [
                label
                for label in counts
                if composed[unicodedata.normalize("NFC", label)] > 1
                and not unicodedata.is_normalized("NFC", label)
            ],
            "are written in two forms of Unicode, which makes them other glosses; write all in "
            "the form NFC (Python: unicodedata.normalize)",
        ),
    ]
    return [(odd, cure) for odd, cure in kinds if odd]
