"""How the sound files an index names are read: wav, flac and what else libsndfile knows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

LARGEST_SAMPLE = 100
"""Sound of float samples may go beyond 1 a little; whole numbers of 16 bits go far beyond."""
SIZES: dict[bytes, tuple[int, int, Literal["little", "big"], int]] = {
    b"RIFF": (4, 4, "little", 8),  # wav
    b"RF64": (20, 8, "little", 8),
    b"riff": (16, 8, "little", 0),  # w64
    b"FORM": (4, 4, "big", 8),  # aiff
    b".snd": (8, 4, "big", 24),  # au
}
"""{how a file begins: (where its size stands, in how many bytes, which way, what it counts not)}"""
LARGEST_SIZE = 0x7FFF
"""In the upper two bytes. What writes to a pipe cannot know a file's size, and puts the largest
number or so."""


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """Samples [N] float32 in [-1, 1], the mean of the channels, and how many a second has.

    A file that is cut off is told where it says how long it should be: ogg does not, and mp3 only
    in a first frame that counts the others.

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
            rate, frames = sound.samplerate, sound.frames
            is_estimate = sound.format == "MP3" and not _counts_its_frames(path)
    # Besides its own error: TypeError for .raw, ValueError where flac does not say its length.
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
    # libsndfile reads what is left of a file without compression without a word.
    with path.open("rb") as file:
        announced = _announced_bytes(file.read(28))
    size = path.stat().st_size
    # Some writers count the header or a padding byte wrongly.
    if announced is not None and size < announced - 8:
        raise ValueError(
            f"{path}: is cut short; its header announces {announced} bytes, and it has {size}"
        )


def _counts_its_frames(path: Path) -> bool:
    """Whether an mp3 begins with a frame that says how many follow: not every encoder writes it."""
    with path.open("rb") as file:
        head = file.read(10)
        is_tag = head[:3] == b"ID3"
        size = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(head[6:])))
        file.seek(10 + size if is_tag else 0)
        first = file.read(64)
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))


def _announced_bytes(head: bytes) -> int | None:
    """How long a sound file says it is; None where its kind does not, or its writer knew not."""
    if head[:4] not in SIZES:
        return None
    start, width, order, more = SIZES[head[:4]]
    size = int.from_bytes(head[start : start + width], order)
    return size + more if size >> (8 * width - 16) < LARGEST_SIZE else None


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples [N] at `rate` a second as [N * wanted / rate] at `wanted`, without aliases."""
    import soxr

    return soxr.resample(samples, rate, wanted)
