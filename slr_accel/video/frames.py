"""Reads videos and folders of pictures as frames: upright RGB images with their times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from av.container import InputContainer

VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".m4v", ".avi")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


MISSING_SECONDS = 0.25
"""A video may end this much earlier than announced: its last frame's length may be unknown."""


class Frame(NamedTuple):
    time: float
    """Seconds in a video; in a folder of pictures, which have no times, the frame's number."""
    image: np.ndarray
    """[H, W, 3] uint8 RGB, upright."""


def read_frames(source: Path) -> Iterator[Frame]:
    """Yields the frames of a video file, or of a folder of pictures, in the order of time.

    Raises:
        ValueError: says what is wrong with the source; also after good frames.
    """
    if source.is_dir():
        yield from _read_pictures(source)
    elif not source.exists():
        raise ValueError(f"{source}: no such video or folder of frames")
    elif source.suffix.lower() not in VIDEO_SUFFIXES:
        raise ValueError(f"{source}: videos are {', '.join(VIDEO_SUFFIXES)}, or folders of frames")
    else:
        yield from _read_video(source)


def source_files(source: Path) -> list[Path]:
    """The files of a source: a video, or all pictures of a folder; [] where it is neither."""
    if source.is_dir():
        return sorted(p for p in source.iterdir() if _is_picture(p))
    return [source] if source.is_file() else []


def _read_video(path: Path) -> Iterator[Frame]:
    import av

    last, end, announced = -np.inf, -np.inf, None
    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise ValueError(f"{path}: holds no video")
            announced = _announced_end(container)
            for frame in container.decode(video=0):
                if frame.time is None or frame.time <= last:
                    raise ValueError(
                        f"{path}: the times of its frames do not rise after {last:g} s; write it "
                        "anew: ffmpeg -i VIDEO NEW.mp4"
                    )
                last = frame.time
                end = last + float((frame.duration or 0) * (frame.time_base or 0))
                image = frame.to_ndarray(format="rgb24")
                # Phones store their rotation. np.rot90 and FFmpeg both count to the left.
                yield Frame(last, np.ascontiguousarray(np.rot90(image, frame.rotation // 90)))
    except av.FFmpegError as error:
        raise ValueError(f"{path}: cannot be decoded ({error.strerror}); is it whole?") from None
    if last == -np.inf:
        raise ValueError(f"{path}: has no frames")
    if announced is not None and end < announced.seconds - announced.tolerance:
        raise ValueError(
            f"{path}: is cut off; its header announces {announced.seconds:.2f} s, and it has "
            f"{end:.2f} s"
        )


class _Announced(NamedTuple):
    """When a video ends, by its header."""

    seconds: float
    tolerance: float = MISSING_SECONDS


def _announced_end(container: InputContainer) -> _Announced | None:
    """The announced end, where FFmpeg would read a truncated file without an error.

    A webm or a fragmented mp4 recorded by a browser announces none.
    """
    stream = container.streams.video[0]
    if "matroska" in container.format.name:
        own = _seconds(stream.metadata.get("DURATION", ""))
        # The duration of the file is that of its sound where that is longer.
        if own is None and container.duration is not None and len(container.streams) == 1:
            # Web pages add it to a browser's recording, by a clock of their own.
            return _Announced(container.duration / 1e6, tolerance=max(1, container.duration / 2e7))
        return None if own is None else _Announced(own)
    if "mp4" in container.format.name and stream.duration and stream.time_base:
        # The number of frames would include those that an edit list leaves out.
        return _Announced(float(((stream.start_time or 0) + stream.duration) * stream.time_base))
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        return _Announced(float(stream.frames / stream.average_rate))
    return None


def _seconds(clock: str) -> float | None:
    """Seconds of `00:01:02.500000000`; None where it is no such text."""
    parts = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d*)?)", clock)
    if parts is None:
        return None
    hours, minutes, seconds = map(float, parts.groups())
    return 3600 * hours + 60 * minutes + seconds


def _read_pictures(folder: Path) -> Iterator[Frame]:
    from PIL import Image, ImageOps

    size = None
    for number, path in _numbered(folder).items():
        try:
            with Image.open(path) as picture:
                image = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        # Damaged files raise OSError, SyntaxError, ValueError, ...
        except Exception as error:
            raise ValueError(f"{path}: not readable as a picture ({error})") from None
        height, width = image.shape[:2]
        size = size or (width, height)
        if size != (width, height):
            raise ValueError(
                f"{path}: is {width} x {height} pixels, but the frames before it are "
                f"{size[0]} x {size[1]}"
            )
        yield Frame(float(number), image)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and path.name[0] != "."


def _numbered(folder: Path) -> dict[int, Path]:
    """{number from 0: picture}, by the one number in the names that varies."""
    paths = source_files(folder)
    if not paths:
        raise ValueError(f"{folder}: has no frames ({', '.join(PICTURE_SUFFIXES)})")
    names = [re.split(r"(\d+)", path.stem) for path in paths]
    # Texts are at even places, numbers at odd ones.
    varying = {i for name in names for i, part in enumerate(name) if names[0][i : i + 1] != [part]}
    same_shape = len({len(name) for name in names}) == 1
    if not same_shape or len(varying) > 1 or any(place % 2 == 0 for place in varying):
        raise ValueError(
            f"{folder}: the names of its frames ({paths[0].name}, ..., {paths[-1].name}) should "
            "differ in one number, which counts them"
        )
    by_number: dict[int, Path] = {}
    for name, path in zip(names, paths, strict=True):
        number = int(name[min(varying)]) if varying else 0
        if number in by_number:
            raise ValueError(f"{folder}: {by_number[number].name} and {path.name} are one frame")
        by_number[number] = path
    first, last = min(by_number), max(by_number)
    gap = next((number for number in range(first, last) if number not in by_number), None)
    if gap is not None:
        missing = last - first + 1 - len(by_number)
        raise ValueError(f"{folder}: {missing} frames are missing, the first is number {gap}")
    return {number - first: by_number[number] for number in sorted(by_number)}
