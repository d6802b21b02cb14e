"""How the sound files an index names are read: wav, flac and what else libsndfile knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LARGEST_SAMPLE = 100
"""Sound of float samples may go beyond 1 a little; whole numbers of 16 bits go far beyond."""
UNKNOWN_SIZE = 0x7FFF_0000
"""What writes to a pipe cannot know a file's size, and puts the largest number or so."""


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """Samples [N] float32 in [-1, 1], the mean of the channels, and how many a second has.

    Raises:
        ValueError: says what is wrong with the file.
    """
    import soundfile

    if not path.exists():
        raise ValueError(f"{path}: no such file")
    if not path.is_file():
        raise ValueError(f"{path}: is not a file; name each sound file in the index")
    _check_complete(path)
    try:
        with soundfile.SoundFile(path) as sound:
            samples = sound.read(dtype="float32", always_2d=True)  # (N, channels)
            rate = sound.samplerate
    # Besides its own error: TypeError for .raw, ValueError where flac does not say its length.
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        reason = getattr(error, "error_string", error)
        raise ValueError(
            f"{path}: not readable as sound ({reason}); read are wav, flac, ogg and mp3: convert "
            "others, e.g. ffmpeg -i FILE FILE.flac"
        ) from None
    if not len(samples):
        raise ValueError(f"{path}: has no samples")
    if not np.isfinite(samples).all():
        raise ValueError(f"{path}: has samples that are NaN or infinite")
    largest = np.abs(samples).max()
    if largest > LARGEST_SAMPLE:
        raise ValueError(f"{path}: has samples up to {largest:g}; divide them so that 1 is loudest")
    return samples.mean(axis=1), rate


def _check_complete(path: Path) -> None:
    # libsndfile reads what is left of a wav file without a word.
    with path.open("rb") as file:
        head = file.read(8)
    size = int.from_bytes(head[4:], "little")
    # Some writers count the header or a padding byte wrongly.
    if head[:4] == b"RIFF" and path.stat().st_size < size < UNKNOWN_SIZE:
        raise ValueError(
            f"{path}: is cut short; its header announces {size + 8} bytes, and it has "
            f"{path.stat().st_size}"
        )


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples [N] at `rate` a second as [N * wanted / rate] at `wanted`, without aliases."""
    import soxr

    return soxr.resample(samples, rate, wanted)
