"""Committed tokens stay, cutting a stream elsewhere changes nothing, and little is kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models_helpers import LAYOUTS, make, random_batch

from slr_accel.ctc.decoders import greedy_decode
from slr_accel.live.figures import StreamFigures, add_stream
from slr_accel.live.streaming import Stream, StreamSettings, StreamToken, model_emit

LABELS = 4


def undecided(stride: int):
    """A model that thinks otherwise in every window: each step depends on all of its frames."""

    def emit(values: np.ndarray, presence: np.ndarray) -> np.ndarray:
        random = np.random.default_rng([int(values[:, 0].sum()), len(values)])
        steps = -(-len(values) // stride)
        return np.log(random.dirichlet(np.full(LABELS, 0.3), steps)).astype(np.float32)

    return emit


def frames(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(count, dtype=np.float32)[:, None], np.ones((count, 1), bool)


stream_settings = st.builds(
    StreamSettings,
    chunk=st.integers(1, 9),
    left=st.integers(0, 20),
    look_ahead=st.none() | st.integers(0, 20),
)


@given(
    chosen=stream_settings,
    stride=st.sampled_from([1, 2, 4]),
    count=st.integers(1, 60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_committed_tokens_never_change_however_a_stream_is_cut(
    chosen: StreamSettings, stride: int, count: int, cuts: list[int]
) -> None:
    values, presence = frames(count)

    def committed(places: list[int]) -> list[StreamToken]:
        stream = Stream(undecided(stride), stride, chosen)
        found: list[StreamToken] = []
        for start, end in pairwise(sorted({0, *(p for p in places if p < count), count})):
            for update in stream.push(values[start:end], presence[start:end]):
                found += update.committed
                provisional = [token.step for token in update.provisional]
                # What is shown is in order: nothing before a committed token can still appear.
                assert provisional == sorted(provisional)
                assert not (found and provisional and provisional[0] <= found[-1].step)
        return found + stream.end().committed

    once = committed([])
    assert [token.step for token in once] == sorted({token.step for token in once})
    assert committed(cuts) == once


def test_unlimited_look_ahead_is_reading_the_whole() -> None:
    model = make("student", LAYOUTS["tracks"]).eval()
    with torch.no_grad():
        model.head.weight.mul_(20)  # type: ignore[union-attr, operator]
    batch = random_batch(LAYOUTS["tracks"], [83])
    with torch.no_grad():
        output = model(batch.features, batch.presence, batch.lengths)
    (expected,) = greedy_decode(output.log_probs, output.lengths)
    assert expected.tokens
    figures = StreamFigures()
    for look_ahead in (None, 83):
        add_stream(
            figures,
            model_emit(model),
            model.output_stride,
            StreamSettings(8, 0, look_ahead),
            batch.features[0].numpy(),
            batch.presence[0].numpy(),
        )
    assert [h.tokens for h in figures.hypotheses] == [expected.tokens] * 2
    assert [h.start for h in figures.hypotheses] == [expected.start] * 2
    np.testing.assert_allclose(figures.hypotheses[0].confidence, expected.confidence, atol=1e-5)


def test_memory_and_work_do_not_grow_with_the_stream() -> None:
    """An hour at 25 frames a second."""
    longest = 0

    def emit(values: np.ndarray, presence: np.ndarray) -> np.ndarray:
        nonlocal longest
        longest = max(longest, len(values))
        return np.zeros((-(-len(values) // 4), LABELS), np.float32)

    stream = Stream(emit, 4, StreamSettings(chunk=10, left=40, look_ahead=20))
    values, presence = np.zeros((10, 2), np.float32), np.ones((10, 1), bool)
    for _ in range(9000):
        stream.push(values, presence)
        assert stream.kept_frames <= 40 + 20 + 10 + 4
    assert longest <= 40 + 20 + 10 + 4


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk is 0"):
        StreamSettings(chunk=0)
    with pytest.raises(ValueError, match="max_frames"):
        StreamSettings(8, 96, 32).check(100)
    StreamSettings(8, 96, None).check(100)


def test_confidences_have_the_temperature_of_the_model() -> None:
    layout = LAYOUTS["tracks"]
    model = make("student", layout).eval()
    values = np.random.default_rng(0).normal(size=(30, layout.columns)).astype(np.float32)
    presence = np.ones((30, len(layout.blocks)), bool)
    plain = model_emit(model)(values, presence)
    model.temperature = 3.0
    expected = torch.from_numpy(plain / 3).log_softmax(dim=-1).numpy()
    np.testing.assert_allclose(model_emit(model)(values, presence), expected, atol=1e-5)
