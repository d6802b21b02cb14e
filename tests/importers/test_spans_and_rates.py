"""Sentences are cut from recordings at their times, and recordings brought to one frame rate."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_helpers import array, prepare, refused, row
from prepare_helpers import index_of

from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.importers.listing import Problems
from slr_accel.importers.rates import Rated, at_rate, one_rate
from slr_accel.importers.spans import Span, Time, parse_time
from slr_accel.layouts.layout import Block, Layout

HANDS = Layout(
    (Block("left_hand", ("a", "b"), ("x", "y")), Block("right_hand", ("a",), ("x", "y")))
)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        (1.9, "s", Time(1.9)),
        ("1900", "ms", Time(1.9)),
        ("47", "frames", Time(47, True)),
        ("1.9s", "ms", Time(1.9)),
        ("1900 ms", "s", Time(1.9)),
        ("47f", "s", Time(47, True)),
        ("47 frames", "ms", Time(47, True)),
        ("00:00:01.900", "ms", Time(1.9)),
        ("1:02:03,5", "frames", Time(3723.5)),
        ("02:03", "s", Time(123)),
        ("1,9", "s", Time(1.9)),
    ],
)
def test_times_are_read_in_every_usual_form(text, unit, expected):
    found = parse_time(text, unit)
    assert found.is_frames == expected.is_frames
    assert found.value == pytest.approx(expected.value)


@pytest.mark.parametrize("text", ["", "x", "-1", "1 min", "nan", "inf", "1:2:3:4", "[1]", "True"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="is no time; give"):
        parse_time(text, "s")


@given(
    limits=st.lists(st.integers(1, 9_999), min_size=1, max_size=8, unique=True),
    rate=st.sampled_from([10.0, 23.976, 25.0, 29.97, 50.0]),
)
def test_neighbouring_sentences_share_no_frame_and_leave_none(limits, rate):
    count = int(10 * rate)
    times = [0.0, *(limit / 1000 for limit in sorted(limits)), count / rate]
    frames = []
    for start, end in pairwise(times):
        try:
            cut = Span(Time(start), Time(end)).frames(count, rate)
        except ValueError as error:
            assert "no frame lies from" in str(error) or "beyond" in str(error)
        else:
            frames += range(count)[cut]
    assert frames == list(range(count))


def test_rows_of_one_recording_become_its_sentences(folder):
    values = array(41)
    np.save(folder / "s0.npy", values)
    rows = [row(i, features="s0.npy", fps=10) for i in range(4)]
    rows[0] |= {"start": 0.0, "end": 1.9}
    rows[1] |= {"start": "00:00:01.900", "end": "4.1 s"}
    rows[2] |= {"start": "19f"}
    corpus = prepare(index_of(folder, *rows))
    assert corpus.rows.frames.tolist() == [19, 22, 22, 41]
    np.testing.assert_allclose(corpus.features(1), values[19:], rtol=1e-3)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"start": 0, "end": 1900}, ["ends beyond its recording", "41 frames", "--times"]),
        ({"start": 4.2}, ["starts beyond its recording"]),
        ({"start": 1, "end": 0.5}, ["`end` is not after `start`"]),
        ({"start": "soon"}, ["`start`: 'soon' is no time", "00:00:01.900"]),
        ({"start": 1, "segments": [[0, 3, "A"]]}, ["has `segments` and `start` or `end`"]),
        ({"start": 1, "fps": None}, ["its frame rate is unknown; give `fps`"]),
    ],
)
def test_times_that_cannot_be_are_told_with_their_line(folder, times, words):
    np.save(folder / "s0.npy", array(41))
    fields = {"features": "s0.npy", "fps": 10, **times}
    message = refused(
        index_of(folder, row(0, **{k: v for k, v in fields.items() if v is not None}))
    )
    assert ":1: " in message
    assert all(word in message for word in words), message


def sequence(frames: int, rate: float = 30.0, segments: list[Segment] | None = None) -> Sequence:
    time = np.arange(frames)[:, None] / rate
    values = np.concatenate([np.sin(time * (k + 1)) for k in range(HANDS.columns)], axis=1)
    presence = np.ones((frames, 2), bool)
    return Sequence(
        "s", "train", "anna", values.astype(np.float32), presence, ["A"], segments or []
    )


@pytest.mark.parametrize(("rate", "wanted"), [(30, 25), (25, 30), (50, 25), (24, 60), (29.97, 25)])
def test_resampling_is_linear_interpolation(rate, wanted):
    scipy = pytest.importorskip("scipy.interpolate")
    before = sequence(37, rate)
    after = at_rate(before, HANDS, rate, wanted)
    times = np.arange(len(after.features)) / wanted
    assert times[-1] <= 36 / rate < times[-1] + 1 / wanted
    expected = scipy.make_interp_spline(np.arange(37) / rate, before.features, k=1)(times)
    np.testing.assert_allclose(after.features, expected, atol=1e-6)


@given(value=st.floats(-1e4, 1e4, width=32), frames=st.integers(1, 60))
def test_what_does_not_move_stays_where_it_is(value, frames):
    before = sequence(frames)
    before.features[:] = value
    after = at_rate(before, HANDS, 30, 25)
    assert (after.features == np.float32(value)).all()
    assert len(after.features) == (frames - 1) * 25 // 30 + 1


def test_an_absent_block_is_never_mixed_with_one_that_is_there():
    before = sequence(31)
    before.presence[12:17, 0] = False
    before.features[12:17, :4] = 0
    after = at_rate(before, HANDS, 30, 25)
    places = np.arange(len(after.features)) * 30 / 25
    assert after.presence[:, 1].all()
    gone = ~after.presence[:, 0]
    assert (places[gone] > 11.5 - 1e-6).all()
    assert (places[gone] < 16.5 + 1e-6).all()
    assert not after.features[gone, :4].any()
    # Where one neighbour alone has the block, its values are copied, not mixed with zeros.
    alone = 0
    for place, values in zip(places[~gone], after.features[~gone, :4], strict=True):
        around = before.features[[int(place), min(int(place) + 1, 30)], :4]
        shown = around[before.presence[[int(place), min(int(place) + 1, 30)], 0]]
        if len(shown) == 1 and place % 1:
            np.testing.assert_array_equal(values, shown[0])
            alone += 1
    assert alone


def test_segments_keep_their_times():
    before = sequence(60, segments=[Segment(0, 30, "A"), Segment(30, 60, "B")])
    after = at_rate(before, HANDS, 30, 15)
    assert after.segments == [Segment(0, 15, "A"), Segment(15, 30, "B")]


def test_rates_within_a_hundredth_are_one_and_their_sequences_stay():
    rows = [Rated(f"i:{n}", rate) for n, rate in enumerate((29.97, 29.98, 30, 30.1))]
    problems = Problems()
    assert one_rate(rows, None, problems) == 29.97
    assert not problems.messages
    before = sequence(30)
    assert at_rate(before, HANDS, 29.97, 30) is before


def test_rates_of_an_index_are_brought_to_one(folder):
    rows = [row(i, features="s0.npy", fps=fps) for i, fps in enumerate((29.97, 30, 25))]
    np.save(folder / "s0.npy", array(60))
    assert "--fps 25 resamples all to it" in refused(index_of(folder, *rows))
    corpus = prepare(index_of(folder, *rows), fps=25)
    assert corpus.info.frames_per_second == 25
    assert corpus.rows.frames.tolist() == [50, 50, 60]


def test_a_rate_that_no_camera_has_is_noted():
    problems = Problems()
    one_rate([Rated("i:1", 1000.0)], None, problems)
    assert problems.notes[0].startswith("i:1: 1000 frames per second is more than")
