"""Checks the features of a corpus, from the figures of one pass over all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.findings import Finding
from slr_accel.inspection.body_shape import body_findings
from slr_accel.inspection.content import Content
from slr_accel.inspection.row_checks import MAX_EXAMPLES, counted, examples, ids_of

UNMARKED_SHARE = 0.01
BROKEN_SHARE = 0.9
FAR_VALUES = 100
"""A sequence's largest value is suspicious at this multiple of the usual one; real ones reach 2."""
MIN_VOTES = 5
"""Clear cases needed to call the hands of a sequence swapped."""


def content_findings(corpus: Corpus, content: Content) -> Iterator[Finding]:
    """Yields what is wrong with values, hands, segments and blocks."""
    if content.non_finite:
        total = sum(content.non_finite.values())
        yield Finding(
            "error",
            "non_finite",
            f"{total} values are NaN or infinite, in {counted(content.non_finite, 'sequence')}: "
            f"{ids_of(corpus, list(content.non_finite))}.",
            "Repair the source and prepare anew.",
        )
    yield from _same_content(corpus, content)
    yield from _broken(corpus, content)
    yield from _swapped_hands(corpus, content)
    yield from _stray_segments(corpus, content)
    yield from far_values(corpus, content.largest)
    yield from body_findings(corpus, content.shapes)
    if content.frames:
        yield from _blocks(corpus, content)


def _same_content(corpus: Corpus, content: Content) -> Iterator[Finding]:
    rows_of: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(content.hashes):
        if digest is not None and corpus.rows.frames[row]:
            rows_of[digest].append(row)
    across: list[str] = []
    within: list[str] = []
    for rows in rows_of.values():
        if len(rows) > 1:
            of_split: dict[str, list[int]] = defaultdict(list)
            for row in rows:
                of_split[corpus.rows.split(row)].append(row)
            leaks = len(of_split) > 1
            # One of each split comes first.
            turns = zip_longest(*of_split.values())
            rows = [row for turn in turns for row in turn if row is not None]
            named = [f"{corpus.rows.id(row)} ({corpus.rows.split(row)})" for row in rows]
            (across if leaks else within).append(" = ".join(named[:MAX_EXAMPLES]))
    if across:
        yield Finding(
            "error",
            "split_overlap",
            f"{counted(across, 'recording')} in more than one split: {examples(across)}.",
            "Keep each in one split: a score on what was trained on means nothing.",
        )
    if within:
        yield Finding(
            "note",
            "repeated_content",
            f"{counted(within, 'recording')} more than once in a split: {examples(within)}. "
            "They count more than others in training and scores.",
            "Remove them unless they are wanted.",
        )


def _broken(corpus: Corpus, content: Content) -> Iterator[Finding]:
    idle = np.maximum(content.still_share, content.empty_share)
    broken = np.flatnonzero(idle >= BROKEN_SHARE)
    if len(broken):
        yield Finding(
            "warning",
            "broken_sequence",
            f"{counted(broken, 'sequence')} empty or without any change in {BROKEN_SHARE:.0%} of "
            f"the frames or more: {ids_of(corpus, broken)}. There is nothing in them to recognise.",
            "Look at their source, and leave them out.",
        )


def _swapped_hands(corpus: Corpus, content: Content) -> Iterator[Finding]:
    judged = content.hands_decided >= MIN_VOTES
    swapped = np.flatnonzero(judged & (2 * content.hands_swapped > content.hands_decided))
    if not len(swapped):
        return
    if 2 * len(swapped) > judged.sum():
        where = f"{len(swapped)} of {judged.sum()} sequences, so probably in the whole corpus"
        advice = "Check which block of the source is which hand"
    else:
        where, advice = counted(swapped, "sequence"), "Look at their source"
    yield Finding(
        "warning",
        "swapped_hands",
        f"The left hand lies at the pose's right wrist, or the right hand at its left one, in "
        f"{where}: {ids_of(corpus, swapped)}.",
        f"{advice}, and prepare the corpus anew.",
    )


def _stray_segments(corpus: Corpus, content: Content) -> Iterator[Finding]:
    stray = np.flatnonzero(content.segments_stray)
    if len(stray):
        yield Finding(
            "note",
            "stray_segments",
            f"{counted(stray, 'sequence')} whose segments do not follow the labels, one for each, "
            f"in order and without overlap: {ids_of(corpus, stray)}. They are never cropped "
            "(--crop_probability).",
            "Correct labels or segments, and prepare the corpus anew.",
        )


def far_values(corpus: Corpus, largest_values: np.ndarray) -> Iterator[Finding]:
    """Yields the blocks in which some sequences have values far from those of the others.

    Args:
        corpus: the corpus.
        largest_values: [rows, blocks] size of a row's largest value, or NaN.
    """
    for block, largest in zip(corpus.layout.blocks, largest_values.T, strict=True):
        known = largest[np.isfinite(largest)]
        # Of two sequences the one with the smaller values is the usual one.
        usual = np.quantile(known, 0.5, method="lower") if len(known) else 0
        far = np.flatnonzero(largest > FAR_VALUES * usual)
        if usual > 0 and len(far):
            yield Finding(
                "warning",
                "far_values",
                f"{counted(far, 'sequence')} with values up to {np.nanmax(largest):.3g} in block "
                f"{block.name}, where {usual:.3g} is usual: {ids_of(corpus, far)}.",
                "Look at their source: are they in another unit, or do they mark missing points?",
            )


def _blocks(corpus: Corpus, content: Content) -> Iterator[Finding]:
    constant = content.maximum <= content.minimum
    still = []
    for index, block in enumerate(corpus.layout.blocks):
        columns = corpus.layout.slices[block.name]
        present, zero = content.present_frames[index], content.zero_frames[index]
        if present == 0:
            yield Finding(
                "warning",
                "absent_block",
                f"Block {block.name} is absent from every frame: nothing can be learned from it.",
                "Check whether the source has it, and how it marks absence (--missing, where the "
                "importer has it), or leave the block out.",
            )
        elif constant[columns].all():
            yield Finding(
                "warning",
                "constant_block",
                f"Block {block.name} has the same values in every frame: nothing can be learned "
                "from it.",
                "Check the source, or leave the block out.",
            )
        else:
            names = [
                f"{block.name}.{point}.{axis}" for point in block.points for axis in block.axes
            ]
            still += [name for name, flag in zip(names, constant[columns], strict=True) if flag]
            if block.coordinates and zero > UNMARKED_SHARE * present:
                yield Finding(
                    "warning",
                    "unmarked_absence",
                    f"All values of block {block.name} are 0 in {zero / present:.0%} of the frames "
                    "that count as detected.",
                    "If zeros mark absence, prepare with --missing zeros, "
                    "where the importer has it.",
                )
    if still:
        yield Finding(
            "note",
            "constant_columns",
            f"{len(still)} of {corpus.layout.columns} columns never change: {examples(still)}.",
        )
