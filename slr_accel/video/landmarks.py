"""Extracts the landmarks of a video, and keeps them in a file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from slr_accel.corpus.format import sha256
from slr_accel.corpus.interpolation import interpolate
from slr_accel.files import replaced
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.video.frames import Frame, read_frames, source_files

STORED_LAYOUT = mediapipe_holistic(confidence=True)
ROUNDING = 1e-6
"""In frames: the rounding error of a time."""


@dataclass(frozen=True)
class Landmarks:
    times: np.ndarray
    """[T] float64, ascending; see `Frame.time`."""
    features: np.ndarray
    """[T, D] float32 in the columns of STORED_LAYOUT; 0 where a block is absent."""
    presence: np.ndarray
    """[T, blocks] bool."""
    size: np.ndarray = field(default_factory=lambda: np.ones(2))
    """Width and height of the frames in pixels."""

    def at(self, times: np.ndarray) -> Landmarks:
        """Resamples to other times between the first and the last.

        A block is interpolated between two frames that have it; where only one has it, the nearer
        frame is copied.
        """
        found = interpolate(self.times, self.features, self.presence, times, STORED_LAYOUT)
        return Landmarks(times, *found, self.size)

    def at_rate(self, frames_per_second: float) -> Landmarks:
        """Resamples to equal distances from the first frame on, where times are in seconds."""
        duration = self.times[-1] - self.times[0]
        count = math.floor(duration * frames_per_second + ROUNDING) + 1
        return self.at(self.times[0] + np.arange(count) / frames_per_second)


@dataclass(frozen=True)
class Extractor:
    """Finds landmarks in frames. It is sent to other processes, so it must be picklable."""

    landmarks_of: Callable[[Iterable[Frame]], Landmarks]
    options: Mapping[str, str]
    """The options its results depend on: after a change all landmarks are extracted anew."""


@dataclass(frozen=True)
class Extraction:
    """A source of landmarks, and the file that keeps them."""

    source: Path
    file: Path
    mirrored: bool

    def frames(self) -> Iterator[Frame]:
        """The frames of the source, not mirrored."""
        for time, image in read_frames(self.source):
            yield Frame(time, np.ascontiguousarray(image[:, ::-1]) if self.mirrored else image)


def ensure_landmarks(extractor: Extractor, extraction: Extraction) -> None:
    """Extracts landmarks, unless the file holds those of this source with these options.

    Raises:
        ValueError: says what is wrong with the source.
    """
    made_of = {"mirrored": str(extraction.mirrored), "source": _checksum(extraction.source)}
    wanted = {**extractor.options, **made_of, "holds": "times, values, presence, frame size"}
    if _metadata(extraction.file) != wanted:
        _save(extractor.landmarks_of(extraction.frames()), extraction.file, wanted)


def load_landmarks(file: Path) -> Landmarks:
    from safetensors.numpy import load_file

    return Landmarks(**load_file(file))


def _save(landmarks: Landmarks, file: Path, metadata: dict[str, str]) -> None:
    from safetensors.numpy import save

    with replaced(file) as temporary:
        temporary.write_bytes(save(dict(vars(landmarks)), metadata))


def _metadata(file: Path) -> dict[str, str] | None:
    """The source and options of a file of landmarks; None where none can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            return opened.metadata()
    except (OSError, SafetensorError):
        return None


def _checksum(source: Path) -> str:
    """SHA-256 of a video, or of a folder's names and SHA-256s."""
    files = source_files(source)
    if not source.is_dir():
        return sha256(source) if files else ""
    listed = "".join(f"{sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def columns_of(layout: Layout) -> list[int]:
    """The columns of `layout`, a part of STORED_LAYOUT, in STORED_LAYOUT."""
    return [
        column
        for block in layout.blocks
        for point in block.points
        for column in STORED_LAYOUT.point_columns(f"{block.name}.{point}", block.axes)
    ]
