"""Small videos, and extractors that need no MediaPipe, for other processes to import."""

import os
import signal
import time
from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from slr_accel.video.frames import Frame
from slr_accel.video.landmarks import STORED_LAYOUT, Extractor, Landmarks

RED, GREEN, BLUE, BLACK = (250, 0, 0), (0, 250, 0), (0, 0, 250), (0, 0, 0)


def plain(color: tuple[int, int, int], height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def greys(count: int) -> list[np.ndarray]:
    """Frames whose grey is 10 times their number."""
    return [plain((10 * i,) * 3) for i in range(count)]


def write_video(
    path: Path,
    images: list[np.ndarray],
    times: list[float] | None = None,
    codec: str | None = None,
    **options: str,
) -> Path:
    """Frames shown from `times` (seconds, to the millisecond); None is 25 a second."""
    import av

    codec = codec or {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(path.suffix, "libx264")
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = round(1000 * times[i]) if times else 40 * i
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_pictures(folder: Path, images: list[np.ndarray], name: str = "frame_{:04d}.png") -> Path:
    from PIL import Image

    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / name.format(number))
    return folder


def color_extractor(log: Path, **options: str) -> Extractor:
    """Every value of a frame is its mean red; `log` gets a line for each video extracted.

    A black frame has nobody in it, and only green ones have hands. A video that begins in red kills
    its process; one that begins in blue takes for ever.
    """
    return Extractor(partial(_from_colors, log), {"extractor": "colors", **options})


def _from_colors(log: Path, frames: Iterable[Frame]) -> Landmarks:
    times, features, presence = [], [], []
    for frame in frames:
        red, green, blue = frame.image.mean(axis=(0, 1))
        if not times and red > 200 > 50 > green:
            os.kill(os.getpid(), signal.SIGSEGV)
        if not times and blue > 200 > 50 > red:
            time.sleep(1000)
        times.append(frame.time)
        visible, is_green = max(red, green, blue) > 5, green > 200 > 50 > red
        present = [visible and (is_green or "hand" not in b.name) for b in STORED_LAYOUT.blocks]
        columns = np.repeat(present, [block.columns for block in STORED_LAYOUT.blocks])
        features.append(np.where(columns, red / 255, 0))
        presence.append(present)
    with log.open("a") as file:
        file.write(f"{len(times)}\n")
    return Landmarks(np.array(times), np.array(features, np.float32), np.array(presence))


def extracted(log: Path) -> int:
    """How many videos an extractor has finished."""
    return len(log.read_text().splitlines()) if log.exists() else 0
