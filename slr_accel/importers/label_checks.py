"""Tells of labels and splits that an index writes as another program would read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from slr_accel.corpus.split_names import FOR_VALIDATION
from slr_accel.importers.tally import shown

KNOWN_SPLITS = ("train", "dev", "test")


def odd_names(labels: Iterable[str], splits: Iterable[str]) -> list[str]:
    """Notes labels that seem to hold several, and splits that are called otherwise here."""
    labels, notes = list(dict.fromkeys(labels)), []
    ending = [label for label in labels if label[-1:] in (",", ";") and len(label) > 1]
    if ending:
        notes.append(
            f"labels end in a comma or semicolon: {shown(ending)}. Between labels there are spaces "
            "alone, and with and without it are two labels: remove it, unless it is meant"
        )
    joined = [label for label in labels if "|" in label.strip("|")]
    if joined:
        notes.append(
            f"labels hold `|`: {shown(joined)}. Each is one label here: where it is several, put "
            "spaces between them"
        )
    forms: dict[str, list[str]] = {}
    for label in labels:
        forms.setdefault(unicodedata.normalize("NFC", label), []).append(label)
    twice = [label for label, written in forms.items() if len(written) > 1]
    if twice:
        notes.append(
            f"labels are written in two forms of Unicode, which makes them different: "
            f"{shown(twice)}. Write all in the form NFC (Python: unicodedata.normalize)"
        )
    for split in dict.fromkeys(splits):
        meant = _meant(split)
        if meant:
            notes.append(
                f"split {split!r}: {'training' if meant == 'train' else 'evaluation'} reads "
                f"`{meant}` unless it is told otherwise; rename it in the index where that is meant"
            )
    return notes


def _meant(split: str) -> str | None:
    """The split of this project that a name like Train or validation may stand for."""
    lower = split.lower()
    if split in KNOWN_SPLITS:
        return None
    if lower in KNOWN_SPLITS:
        return lower
    return "dev" if lower in FOR_VALIDATION else None
