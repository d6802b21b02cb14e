"""Log-mel is what Kaldi defines, and what a tone's pitch and loudness say it must be."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaldi_reference import kaldi_fbank, mel

from slr_accel.importers import log_mel as log_mel_module
from slr_accel.importers.log_mel import log_mel, log_mel_frame_rate, log_mel_layout

pytest.importorskip("kaldi_native_fbank")


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def tone(frequency: float, rate: int, seconds: float = 0.5, loudness: float = 0.1) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (loudness * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_values_are_those_of_kaldis_definition(rate):
    samples = noise(rate // 8) + tone(440, rate, 1 / 8)[: rate // 8] + np.float32(0.05)
    np.testing.assert_allclose(log_mel(samples, rate), kaldi_fbank(samples, rate), atol=2e-3)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("frequency", [300, 1000, 2500, 3800])
def test_a_tone_is_loudest_in_the_bin_of_its_pitch(rate, frequency):
    width = (mel(rate / 2) - mel(20)) / 81
    expected = (mel(frequency) - mel(20)) / width - 1
    found = log_mel(tone(frequency, rate), rate)[10:-10].argmax(axis=1)
    assert abs(found - expected).max() <= 1


@given(seconds=st.floats(0, 3), rate=st.sampled_from([8000, 16000, 22050]))
@settings(max_examples=25, deadline=None)
def test_frames_are_the_nearest_number_of_hops(seconds, rate):
    samples = int(seconds * rate)
    frames = log_mel(noise(samples), rate)
    assert frames.shape[1] == 80
    assert abs(len(frames) - samples * log_mel_frame_rate(rate) / rate) <= 0.5
    assert np.isfinite(frames).all()


def test_a_sound_ten_times_as_loud_is_higher_by_the_logarithm_of_a_hundred():
    samples = noise(8000)
    difference = log_mel(10 * samples, 16000) - log_mel(samples, 16000)
    np.testing.assert_allclose(difference, np.log(100), atol=1e-3)


def test_silence_is_the_floor_and_so_is_less_than_16_bits_can_tell():
    floor = np.log(np.float32(2.0**-23))
    np.testing.assert_allclose(log_mel(np.zeros(4000), 8000), floor)
    rounding = np.random.default_rng(0).uniform(-0.5, 0.5, 16000) / 2**15
    assert (log_mel(rounding, 16000) - floor).mean() < 0.2


def test_the_same_sound_gives_the_same_bits():
    np.testing.assert_array_equal(log_mel(noise(8000), 16000), log_mel(noise(8000), 16000))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("beyond", [-1, 0, 1, 200, 5000])
def test_pieces_give_the_bits_of_the_whole(rate, beyond, monkeypatch):
    samples = noise(2 * log_mel_module.PIECE + beyond)
    in_pieces = log_mel(samples, rate)
    monkeypatch.setattr(log_mel_module, "PIECE", len(samples))
    np.testing.assert_array_equal(in_pieces, log_mel(samples, rate))


def test_a_long_sound_takes_little_more_memory_than_its_samples():
    samples = noise(100 * 16000)
    log_mel(samples[:16000], 16000)
    tracemalloc.start()
    log_mel(samples, 16000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3 * samples.nbytes


def test_a_layout_names_the_sample_rate():
    assert log_mel_layout(16000).signature == "log_mel_16000Hz 80"
    assert log_mel_layout(16000).blocks != log_mel_layout(8000).blocks


@pytest.mark.parametrize("rate", [-1, 0, 4000, 7999])
def test_too_low_a_rate_for_80_bins_is_refused(rate):
    with pytest.raises(ValueError, match=f"{rate} Hz.*at least 8000"):
        log_mel_layout(rate)
