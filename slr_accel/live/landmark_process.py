"""Runs MediaPipe in a process of its own, on a video file or a camera."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slr_accel.errors import RunError
from slr_accel.video.frames import Frame, read_frames
from slr_accel.video.holistic import holistic, landmarks_by_frame
from slr_accel.video.workers import die_with_parent

SILENCE = 60
"""Seconds without a frame after which the process counts as hanging."""


class LiveFrame(NamedTuple):
    time: float
    """Seconds from the first frame of the source on."""
    features: np.ndarray
    """[D] float32 in the columns of STORED_LAYOUT."""
    presence: np.ndarray
    """[blocks] bool."""
    size: tuple[int, int]
    """Width and height of the frame in pixels."""
    dropped: int
    """Frames of the camera that came too fast, since the one before."""


def live_frames(source: Path | int) -> Iterator[LiveFrame]:
    """Yields landmarks of a video, or of a camera by its number, until it ends.

    Raises:
        ValueError: the extra `video` is missing, or the video cannot be read.
        RunError: there is no such camera, it was unplugged, or the process died.
    """
    holistic()
    context = get_context("spawn")  # the threads of libraries would not survive a fork
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, source), daemon=True)
    process.start()
    theirs.close()
    try:
        while True:
            if not ours.poll(SILENCE):
                raise RunError(f"no frame came for {SILENCE} seconds; is the camera there?")
            try:
                message = ours.recv()
            except EOFError:
                raise RunError("the process that runs MediaPipe died; try again") from None
            if message is None:
                return
            if isinstance(message, Exception):
                raise message
            yield LiveFrame(*message)
    finally:
        ours.close()
        process.terminate()
        process.join()


def _serve(connection: Connection, source: Path | int) -> None:
    # Ctrl-C goes to all processes of a terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, daemon=True).start()
    with suppress(BrokenPipeError, OSError):
        try:
            if isinstance(source, int):
                camera = _Camera(source)
                for frame in landmarks_by_frame(camera.frames()):
                    connection.send((*frame, camera.take_dropped()))
                if camera.is_lost:
                    raise RunError(f"camera {source} gives no more pictures; was it unplugged?")
            else:
                for frame in landmarks_by_frame(read_frames(source)):
                    connection.send((*frame, 0))
        except (ValueError, RunError) as error:
            connection.send(error)
        else:
            connection.send(None)


class _Camera:
    """Keeps the newest picture of a camera: those that MediaPipe is too slow for are dropped."""

    def __init__(self, number: int) -> None:
        # OpenCV writes pages about a camera that is not there.
        os.environ["OPENCV_LOG_LEVEL"] = "OFF"
        import cv2

        self.is_lost = False
        self._dropped = 0
        self._newest: Frame | None = None
        self._new = threading.Condition()
        self._capture = cv2.VideoCapture(number)
        self._colour = cv2.COLOR_BGR2RGB
        self._convert = cv2.cvtColor
        if not self._capture.isOpened():
            raise RunError(
                f"camera {number} cannot be opened; --camera takes its number, 0, 1, ..."
            )

    def frames(self) -> Iterator[Frame]:
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            with self._new:
                self._new.wait_for(lambda: self._newest is not None or self.is_lost)
                frame, self._newest = self._newest, None
            if frame is None:
                return
            yield frame

    def take_dropped(self) -> int:
        with self._new:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def _read(self) -> None:
        start = time.monotonic()
        while True:
            good, picture = self._capture.read()
            now = time.monotonic() - start
            with self._new:
                if good:
                    self._dropped += self._newest is not None
                    self._newest = Frame(now, self._convert(picture, self._colour))
                else:
                    self.is_lost = True
                self._new.notify()
            if not good:
                return
