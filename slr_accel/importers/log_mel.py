"""Computes log-mel filter banks of speech as Kaldi's compute-fbank-feats does.

They are the base values of a speech corpus: computed once, when it is prepared.
"""

from __future__ import annotations

import numpy as np

from slr_accel.layouts.layout import Block, Layout

NUM_BINS = 80
LOWEST_RATE = 8000
"""At lower sample rates the lowest bins contain no frequency of the Fourier transform."""
PIECE = 2**16
"""Samples converted at a time: Python numbers take eight times their memory."""


def log_mel(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Computes log-mel energies, 100 frames a second.

    Kaldi's fbank (Povey et al., "The Kaldi speech recognition toolkit", ASRU 2011; its
    feature-window.cc and mel-computations.cc) without dither: windows of 25 ms every 10 ms, their
    mean subtracted, pre-emphasis 0.97, Povey window, power spectrum of the next power of 2, 80
    triangles equally wide on the scale 1127 ln(1 + f/700) from 20 Hz to half the sample rate,
    natural logarithm of at least 1.19e-7. `snip_edges` is off: frame t is centred on
    (t + 1/2) * 10 ms, and the signal is mirrored at its ends.

    Args:
        samples: [N] in [-1, 1]; the smallest logarithm is then about the rounding noise of 16 bits.
        sample_rate: samples per second.

    Returns:
        [T, 80] float32, T the nearest whole number of 10 ms.
    """
    from kaldi_native_fbank import FbankOptions, OnlineFbank

    options = FbankOptions()
    options.frame_opts.samp_freq = sample_rate
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = NUM_BINS
    fbank = OnlineFbank(options)
    for start in range(0, len(samples), PIECE):
        fbank.accept_waveform(sample_rate, samples[start : start + PIECE].tolist())
    fbank.input_finished()
    frames = [fbank.get_frame(index) for index in range(fbank.num_frames_ready)]
    return np.array(frames, np.float32).reshape(-1, NUM_BINS)


def log_mel_frame_rate(sample_rate: int) -> float:
    """Frames per second: 100, or slightly more where 10 ms are no whole number of samples."""
    return sample_rate / (sample_rate // 100)


def log_mel_layout(sample_rate: int) -> Layout:
    """The layout `log_mel_16000Hz 80`: the frequencies of the bins depend on the sample rate.

    Raises:
        ValueError: the rate is too low for 80 bins.
    """
    if sample_rate < LOWEST_RATE:
        raise ValueError(
            f"sample rate {sample_rate} Hz: {NUM_BINS} log-mel bins need at least {LOWEST_RATE} Hz"
        )
    bins = tuple(str(index) for index in range(NUM_BINS))
    return Layout((Block(f"log_mel_{sample_rate}Hz", bins, ("value",)),), units="ln of energy")
