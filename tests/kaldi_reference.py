"""Kaldi's fbank written down from its definition, frame by frame, in float64: what log-mel is
compared with. Definition: feature-window.cc and mel-computations.cc of Kaldi."""

import math

import numpy as np


def mel(frequency: float) -> float:
    return 1127 * math.log(1 + frequency / 700)


def window_of_frame(samples: np.ndarray, rate: int, frame: int) -> np.ndarray:
    """25 ms around the middle of the frame's 10 ms; beyond an end the signal is mirrored."""
    length, shift = int(rate * 0.025), int(rate * 0.01)
    first = frame * shift + shift // 2 - length // 2
    taken = []
    for position in range(first, first + length):
        while not 0 <= position < len(samples):
            position = -position - 1 if position < 0 else 2 * len(samples) - 1 - position
        taken.append(samples[position])
    return np.array(taken, np.float64)


def triangles(rate: int, num_bins: int, fft_length: int) -> np.ndarray:
    """[bins, FFT bins below half the rate]"""
    width = (mel(rate / 2) - mel(20)) / (num_bins + 1)
    weights = np.zeros((num_bins, fft_length // 2))
    for bin_ in range(num_bins):
        centre = mel(20) + (bin_ + 1) * width
        for k in range(fft_length // 2):
            weights[bin_, k] = max(0, 1 - abs(mel(k * rate / fft_length) - centre) / width)
    return weights


def kaldi_fbank(samples: np.ndarray, rate: int, num_bins: int = 80) -> np.ndarray:
    """[T, bins]"""
    length, shift = int(rate * 0.025), int(rate * 0.01)
    fft_length = 2 ** math.ceil(math.log2(length))
    povey = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))) ** 0.85
    weights = triangles(rate, num_bins, fft_length)
    frames = []
    for frame in range((len(samples) + shift // 2) // shift):
        window = window_of_frame(samples, rate, frame)
        window = window - window.mean()
        window = window - 0.97 * np.concatenate([window[:1], window[:-1]])
        spectrum = np.fft.fft(window * povey, fft_length)[: fft_length // 2]
        frames.append(np.log(np.maximum(weights @ np.abs(spectrum) ** 2, 2.0**-23)))
    return np.array(frames).reshape(-1, num_bins)
