"""Reads sound files: wav, flac, ogg and mp3."""

from __future__ import annotations

from pathlib import Path

import numpy as np

READ = ("WAV", "WAVEX", "FLAC", "OGG", "MP3")
"""Formats of libsndfile that are read. It reads truncated files of some others silently."""
LARGEST_SAMPLE = 100
"""Float samples may go a little beyond 1; whole numbers of 16 bits go far beyond."""
UNKNOWN_SIZE = 0x7FFF0000
"""Programs that write to a pipe cannot know a file's size, and announce this much or more."""


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """Reads samples [N] float32 in [-1, 1], the mean of the channels, and the sample rate.

    A truncated file is refused where its header announces its length: that of ogg does not, and
    that of mp3 only where its first frame counts the others.

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
            if sound.format not in READ:
                raise ValueError(f"its format is {sound.format}")
            samples = sound.read(dtype="float32", always_2d=True)  # (N, channels)
            rate, frames = sound.samplerate, sound.frames
            is_estimate = sound.format == "MP3" and not _counts_its_frames(path)
    # TypeError is for .raw, ValueError for other formats and for flac of unknown length.
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        reason = getattr(error, "error_string", error)
        raise ValueError(
            f"{path}: not readable as sound ({reason}); read are wav, flac, ogg and mp3: convert "
            "others, e.g. ffmpeg -i FILE FILE.flac"
        ) from None
    if len(samples) < frames and not is_estimate:
        raise ValueError(
            f"{path}: is cut short; its header announces {frames} samples, and it has "
            f"{len(samples)}"
        )
    if not len(samples):
        raise ValueError(f"{path}: has no samples")
    if not np.isfinite(samples).all():
        raise ValueError(f"{path}: has samples that are NaN or infinite")
    largest = np.abs(samples).max()
    if largest > LARGEST_SAMPLE:
        raise ValueError(f"{path}: has samples up to {largest:g}; divide them so that 1 is loudest")
    return samples.mean(axis=1), rate


def _check_complete(path: Path) -> None:
    """Compares a wav file with its header: libsndfile reads a truncated one silently."""
    with path.open("rb") as file:
        head = file.read(8)
    announced = int.from_bytes(head[4:], "little")
    # Some writers count the header or a padding byte wrongly.
    if head[:4] == b"RIFF" and path.stat().st_size < announced < UNKNOWN_SIZE:
        raise ValueError(
            f"{path}: is cut short; its header announces {announced + 8} bytes, and it has "
            f"{path.stat().st_size}"
        )


def _counts_its_frames(path: Path) -> bool:
    """Whether an mp3 begins with a frame that counts the others: not every encoder writes one."""
    with path.open("rb") as file:
        head = file.read(10)
        is_tag = head[:3] == b"ID3"
        size = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(head[6:])))
        file.seek(10 + size if is_tag else 0)
        first = file.read(64)
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples [N] at `rate` a second become [N * wanted / rate] at `wanted`, without aliasing."""
    import soxr

    return soxr.resample(samples, rate, wanted)
