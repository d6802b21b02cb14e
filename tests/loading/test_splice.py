"""Spliced sequences are made of whole signs with their labels, and stay alignable."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.loading.plan import required_output_length
from slr_accel.loading.splice import Piece, Source, Spliced, find_takes, splice


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


def spliced_row(
    pair: tuple[Source, Source],
    seed: int,
    *,
    crop: float = 0.0,
    exchange: float = 0.0,
    join: float = 0.0,
    stride: int = 1,
) -> Spliced:
    """What becomes of the first of two rows."""
    return splice(
        pair[0],
        pair,
        np.random.default_rng(seed),
        takes=find_takes(pair),
        crop_probability=crop,
        exchange_probability=exchange,
        join_probability=join,
        output_stride=stride,
        separator=[],
    )


@given(both, seeds, probabilities, probabilities, st.sampled_from([1, 2, 4]))
def test_every_label_comes_with_the_frames_of_its_sign(
    pair: tuple[Source, Source], seed: int, crop: float, join: float, stride: int
) -> None:
    spliced = spliced_row(pair, seed, crop=crop, join=join, stride=stride)
    assert spliced.pieces[0].row == pair[0].row
    expected = []
    for piece in spliced.pieces:
        source = pair[piece.row]
        assert 0 <= piece.start < piece.end <= source.frames
        if piece == Piece(source.row, 0, source.frames):
            expected += source.targets
            continue
        assert source.segments is not None
        expected += [
            target
            for target, (start, end) in zip(source.targets, source.segments, strict=True)
            if piece.start <= (start + end) / 2 <= piece.end
        ]
    if not any(p.end - p.start == 1 for p in spliced.pieces):
        assert spliced.targets == expected
    assert spliced.frames == sum(p.end - p.start for p in spliced.pieces)


@st.composite
def two_takes(draw: st.DrawFn) -> tuple[Source, Source]:
    """Two recordings of the same signs, other in length, in another order."""
    first = draw(sources(row=0).filter(lambda source: source.segments is not None))
    order = draw(st.permutations(first.targets))
    lengths = draw(st.lists(st.integers(2, 9), min_size=len(order), max_size=len(order)))
    ends = np.cumsum(lengths).tolist()
    segments = list(zip([0, *ends[:-1]], ends, strict=True))
    return first, Source(1, ends[-1], list(order), segments)


@given(two_takes(), seeds, probabilities)
def test_a_sign_is_exchanged_for_a_recording_of_the_same(
    pair: tuple[Source, Source], seed: int, crop: float
) -> None:
    spliced = spliced_row(pair, seed, crop=crop, exchange=1.0)
    recordings = find_takes(pair)
    if len(spliced.pieces) == 1 and len(spliced.targets) > 1:
        return  # could not be aligned, so the run is left as it is
    for piece, target in zip(spliced.pieces, spliced.targets, strict=True):
        assert piece in recordings.get(target, [piece])


@given(both, seeds, probabilities, st.sampled_from([1, 2, 4]))
def test_an_alignable_row_stays_alignable(
    pair: tuple[Source, Source], seed: int, exchange: float, stride: int
) -> None:
    def fits(frames: int, targets: list[int]) -> bool:
        return -(-frames // stride) >= required_output_length(targets)

    if not fits(pair[0].frames, pair[0].targets):
        return
    spliced = spliced_row(pair, seed, crop=1.0, exchange=exchange, join=1.0, stride=stride)
    assert fits(spliced.frames, spliced.targets)


@given(both, seeds)
def test_without_probabilities_a_row_is_as_it_was(pair: tuple[Source, Source], seed: int) -> None:
    spliced = spliced_row(pair, seed)
    assert spliced.pieces == (Piece(0, 0, pair[0].frames),)
    assert spliced.targets == pair[0].targets
