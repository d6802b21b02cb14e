"""Finds the clips of single signs in a corpus, by split, signer and label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import UNKNOWN_SIGNER, Segment
from slr_accel.importers.listing import Problems


class SignClip(NamedTuple):
    """Frames [start, end) of a row."""

    row: int
    start: int
    end: int


@dataclass(frozen=True)
class SignClips:
    """The clips of a split."""

    of_all: dict[str, list[SignClip]] = field(default_factory=dict)
    """{label: clips}"""
    of_signer: dict[str, dict[str, list[SignClip]]] = field(default_factory=dict)
    """{known signer: {label: clips}}"""

    def add(self, label: str, signer: str, clip: SignClip) -> None:
        self.of_all.setdefault(label, []).append(clip)
        if signer != UNKNOWN_SIGNER:
            self.of_signer.setdefault(signer, {}).setdefault(label, []).append(clip)

    def missing(self, labels: Iterable[str], signer: str | None) -> list[str]:
        """The labels that have no clip (of this signer)."""
        known = self.of_all if signer is None else self.of_signer.get(signer, {})
        return sorted(set(labels) - known.keys())

    def choose(
        self, labels: list[str], signer: str | None, random: np.random.Generator
    ) -> tuple[str, list[SignClip]]:
        """Draws a clip of each label, none of which is missing; returns the signer and the clips.

        Without `signer` all are of one known signer who has clips of every label. Where there is no
        such signer they are of any, and the signer is `unknown`.
        """
        fit = [s for s, own in self.of_signer.items() if set(labels) <= own.keys()]
        if signer is None:
            signer = fit[random.integers(len(fit))] if fit else UNKNOWN_SIGNER
        clips = self.of_signer.get(signer, self.of_all)
        return signer, [clips[label][random.integers(len(clips[label]))] for label in labels]


def find_sign_clips(corpus: Corpus, problems: Problems) -> dict[str, SignClips]:
    """{split: clips}: a segment is a clip, and so is a sequence with one label.

    Sequences without labels have none; several labels without segments are a problem.
    """
    found: dict[str, SignClips] = {}
    for row in range(len(corpus.rows)):
        labels = corpus.labels(row)
        segments = corpus.segments(row)
        if not segments and len(labels) > 1:
            problems.add(
                f"{corpus.folder}: {corpus.rows.id(row)}",
                f"has {len(labels)} labels and no segments that say where its signs are",
            )
            continue
        whole = [Segment(0, int(corpus.rows.frames[row]), label) for label in labels]
        clips = found.setdefault(corpus.rows.split(row), SignClips())
        for start, end, label in segments or whole:
            clips.add(label, corpus.rows.signer(row), SignClip(row, start, end))
    return found
