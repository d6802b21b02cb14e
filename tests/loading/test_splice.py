"""Spliced sequences are made of whole signs with their labels, and stay alignable."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.loading.plan import required_output_length
from slr_accel.loading.splice import Piece, Source, Spliced, splice


@st.composite
def sources(draw: st.DrawFn, row: int = 0) -> Source:
    """A row of a few signs with pauses; sign i has label 10 * row + i."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    gaps = draw(st.lists(st.integers(0, 4), min_size=len(lengths) + 1, max_size=len(lengths) + 1))
    segments, time = [], gaps[0]
    for length, gap in zip(lengths, gaps[1:], strict=True):
        segments.append((time, time + length))
        time += length + gap
    known = draw(st.booleans())
    targets = [10 * row + i + 1 for i in range(len(lengths))]
    return Source(row, time, targets, segments if known else None)


both = st.tuples(sources(row=0), sources(row=1))
seeds = st.integers(0, 2**32 - 1)
probabilities = st.sampled_from([0.0, 0.5, 1.0])


def spliced_at(
    pair: tuple[Source, Source], seed: int, crop: float, join: float, stride: int
) -> Spliced:
    return splice(
        pair[0],
        pair,
        np.random.default_rng(seed),
        crop_probability=crop,
        join_probability=join,
        output_stride=stride,
        separator=[],
    )


@given(both, seeds, probabilities, probabilities, st.sampled_from([1, 2, 4]))
def test_every_label_comes_with_the_frames_of_its_sign(
    pair: tuple[Source, Source], seed: int, crop: float, join: float, stride: int
) -> None:
    spliced = spliced_at(pair, seed, crop, join, stride)
    assert spliced.pieces[0].row == pair[0].row
    expected = []
    for piece in spliced.pieces:
        source = pair[piece.row]
        assert 0 <= piece.start < piece.end <= source.frames
        if piece == Piece(source.row, 0, source.frames):
            expected += source.targets
            continue
        assert source.segments is not None
        middles = [(a[1] + b[0]) // 2 for a, b in pairwise(source.segments)]
        assert {piece.start, piece.end} <= {0, source.frames, *middles}
        expected += [
            target
            for target, (start, end) in zip(source.targets, source.segments, strict=True)
            if piece.start <= (start + end) / 2 <= piece.end
        ]
    if not any(p.end - p.start == 1 for p in spliced.pieces):
        assert spliced.targets == expected
    assert spliced.frames == sum(p.end - p.start for p in spliced.pieces)


@given(both, seeds, st.sampled_from([1, 2, 4]))
def test_an_alignable_row_stays_alignable(
    pair: tuple[Source, Source], seed: int, stride: int
) -> None:
    def fits(frames: int, targets: list[int]) -> bool:
        return -(-frames // stride) >= required_output_length(targets)

    if not fits(pair[0].frames, pair[0].targets):
        return
    spliced = spliced_at(pair, seed, 1.0, 1.0, stride)
    assert fits(spliced.frames, spliced.targets)


@given(both, seeds)
def test_without_probabilities_a_row_is_as_it_was(pair: tuple[Source, Source], seed: int) -> None:
    spliced = spliced_at(pair, seed, 0.0, 0.0, 1)
    assert spliced.pieces == (Piece(0, 0, pair[0].frames),)
    assert spliced.targets == pair[0].targets
