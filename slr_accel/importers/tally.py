"""Counts over all sequences what was never detected, so that no corpus of zeros is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import pairwise
from typing import Any

import numpy as np

from slr_accel.corpus.sequence import Sequence
from slr_accel.layouts.layout import Block, Layout
from slr_accel.layouts.mirror import other_side

MOST_SHOWN = 6


class Tally:
    """What the sequences of a corpus, or of a part of one, have in them.

    Attributes:
        absent: blocks that are absent from every frame of every sequence, or 0 in it.
        never_seen: points BLOCK.POINT that no frame of any sequence has; of a block without
            coordinates, columns BLOCK.NUMBER.
        frame_sizes: {WIDTHxHEIGHT: sequences} where the size of the frame is known.
    """

    def __init__(self, layout: Layout, *, by_marker: bool) -> None:
        """`by_marker`: the user said how absence is marked, which may be wrong."""
        self._layout = layout
        self._by_marker = by_marker
        self._points = [f"{b.name}.{point}" for b in layout.blocks for point in _points(b)]
        self.absent = list(layout.slices)
        self.never_seen = self._points
        self.frame_sizes: Counter[str] = Counter()

    def add(self, sequence: Sequence) -> None:
        features, presence = sequence.features, sequence.presence
        for name in list(self.absent):
            present = presence[:, self._layout.block_index(name)]
            # Where the source itself says what was detected, zeros are places.
            if (features[present, self._layout.slices[name]] if self._by_marker else present).any():
                self.absent.remove(name)
        if sequence.seen is None:
            self.never_seen = []
        elif self.never_seen:
            points = zip(self._points, sequence.seen, strict=True)
            gone = {name for name, count in points if not count}
            self.never_seen = [name for name in self.never_seen if name in gone]
        if sequence.frame_size:
            self.frame_sizes["x".join(f"{side:g}" for side in sequence.frame_size)] += 1

    def add_part(self, recorded: dict[str, Any]) -> None:
        """Adds what `to_json` has recorded of a part."""
        self.absent = [name for name in self.absent if name in recorded["absent_blocks"]]
        self.never_seen = [name for name in self.never_seen if name in recorded["never_seen"]]
        self.frame_sizes.update(recorded["frame_sizes"])

    def to_json(self) -> dict[str, Any]:
        return {
            "absent_blocks": self.absent,
            "never_seen": self.never_seen,
            "frame_sizes": dict(sorted(self.frame_sizes.items())),
        }

    def points_never_seen(self) -> list[str]:
        """The points that are never seen, though their block is."""
        return [name for name in self.never_seen if name.partition(".")[0] not in self.absent]

    def problem(self, allowed: Collection[str]) -> str | None:
        """Words for the error where what was never recorded would be taken as data; else None.

        A hand may be absent where the other one signs.

        Args:
            allowed: blocks that may be absent throughout.
        """
        if len(self.absent) == len(self._layout.blocks):
            return (
                f"block {' and '.join(self.absent)}: absent from every frame of every sequence, "
                "or 0 in it, so that nothing is left to learn from. Check the layout and --missing"
            )
        if not self._by_marker:
            return None
        refused = [n for n in self.absent if n not in allowed and not self._has_other_side(n)]
        if refused:
            return (
                f"block {' and '.join(refused)}: absent from every frame of every sequence, or 0 "
                "in it. Check the order of the blocks and --missing; where it was never recorded, "
                f"give --allow_absent {','.join(refused)}, or leave its columns out"
            )
        for block in self._layout.blocks:
            columns = [n for n in self.points_never_seen() if n.startswith(f"{block.name}.")]
            if columns and not block.coordinates and block.name not in allowed:
                numbers = [int(name.rpartition(".")[2]) for name in columns]
                return (
                    f"block {block.name}: {len(columns)} of its {block.columns:,} columns are "
                    f"absent from every frame of every sequence: {_ranges(numbers)}. Say with "
                    "--layout what the columns are, or leave these out; --allow_absent "
                    f"{block.name} keeps them as 0"
                )
        return None

    def _has_other_side(self, name: str) -> bool:
        other = other_side(name)
        return other != name and other in self._layout.slices and other not in self.absent

    def notes(self) -> list[str]:
        """What the user should know and need not repair."""
        notes, points = [], self.points_never_seen()
        if self.absent:
            notes.append(f"absent from every frame: block {' and '.join(self.absent)}")
        if points:
            notes.append(
                f"never seen in any frame, and kept where it tells nothing: {shown(points)} "
                f"({len(points)} of {len(self._points)} points)"
            )
        return notes


def shown(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _points(block: Block) -> list[str]:
    """Its points; of a block without coordinates its columns, by number."""
    return list(block.points if block.coordinates else map(str, range(block.columns)))


def _ranges(numbers: list[int]) -> str:
    """`45-47, 99-161` of sorted numbers."""
    breaks = [i for i, (a, b) in enumerate(pairwise(numbers), 1) if b > a + 1]
    runs = [(run[0], run[-1]) for run in np.split(np.array(numbers), breaks)]
    return shown([f"{first}" if first == last else f"{first}-{last}" for first, last in runs])
