"""Reads a stream with an offline model: overlapping windows, and a prefix that stays.

Every `chunk` frames the model reads a window: `left` frames that were committed before, and all
that came since. Output steps that lie `look_ahead` frames before the newest frame are committed,
and with them their tokens, which are never taken back; later ones are provisional. Decoding is
greedy.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from slr_accel.labels.vocabulary import BLANK
from slr_accel.loading.loader import subsampled
from slr_accel.models.find import streaming_file
from slr_accel.models.recogniser import Recogniser

Emit = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(values [T, D], presence [T, blocks]) of a window -> its log-probabilities [T', V]"""


@dataclass(frozen=True)
class StreamSettings:
    chunk: int = 8
    """Frames from one reading to the next."""
    left: int = 96
    """Committed frames that are read again before the new ones."""
    look_ahead: int | None = 32
    """Frames that must follow a step before it is committed; None: all of them."""

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("left", 0), ("look_ahead", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}; give {least} frames or more")

    def check(self, max_frames: int | None) -> None:
        """Raises ValueError where a window would be longer than what the model reads whole."""
        if max_frames is None or self.look_ahead is None:
            return
        window = self.left + self.look_ahead + 2 * self.chunk
        if window > max_frames:
            raise ValueError(
                f"windows of up to {window} frames are longer than the model's max_frames, "
                f"{max_frames}; choose less left context or look-ahead"
            )


def chosen_settings(
    source: str | Path, folder: Path, max_frames: int | None, look_ahead: int | None = None
) -> StreamSettings:
    """The settings that `evaluate --streaming` chose for the model in `folder`, or the defaults.

    Args:
        source: the run, or what else names the model.
        look_ahead: takes the place of theirs.

    Raises:
        ValueError: what was chosen cannot be read, or does not fit `max_frames`.
    """
    path = streaming_file(source, folder)
    settings = StreamSettings()
    if path is not None:
        try:
            chosen: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8"))["chosen"])
            settings = StreamSettings(**chosen)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not written by `evaluate --streaming` ({error})") from None
    if look_ahead is not None:
        settings = StreamSettings(settings.chunk, settings.left, look_ahead)
    settings.check(max_frames)
    return settings


class StreamToken(NamedTuple):
    token: int
    step: int
    """Its first output step, from the start of the stream."""
    confidence: float
    """Mean probability over its steps in the window."""


class Update(NamedTuple):
    """What the frames that were pushed have changed."""

    committed: list[StreamToken]
    """Tokens that are new, and stay."""
    provisional: list[StreamToken]
    """Tokens after the committed ones, which may still change."""


class Stream:
    """One stream of frames; it keeps no more than a window of them."""

    def __init__(self, emit: Emit, output_stride: int, settings: StreamSettings) -> None:
        self.settings = settings
        self.received = 0
        self._emit = emit
        self._stride = output_stride
        self._read = 0  # frames up to the last reading
        self._start = 0  # frame of the first row of the window
        self._done = 0  # committed steps
        self._last = BLANK  # label of the last committed step
        self._values: np.ndarray | None = None
        self._presence: np.ndarray | None = None

    @property
    def kept_frames(self) -> int:
        return 0 if self._values is None else len(self._values)

    def push(self, values: np.ndarray, presence: np.ndarray) -> list[Update]:
        """Adds frames, values [T, D] and presence [T, blocks]; returns what each reading changed.

        The result is the same however the frames are cut into pushes.
        """
        updates = []
        for first in range(0, len(values), self.settings.chunk):
            part = slice(first, first + self.settings.chunk)
            self._keep(values[part], presence[part])
            while self.received - self._read >= self.settings.chunk:
                self._read += self.settings.chunk
                if self.settings.look_ahead is not None:
                    limit = max(self._read - self.settings.look_ahead, 0) // self._stride
                    updates.append(self._update(limit))
        return updates

    def end(self) -> Update:
        """Commits the rest: no more frames follow."""
        self._read = self.received
        return self._update(None) if self.received else Update([], [])

    def _keep(self, values: np.ndarray, presence: np.ndarray) -> None:
        self.received += len(values)
        if self._values is None or self._presence is None:
            self._values, self._presence = np.array(values), np.array(presence)
            return
        self._values = np.concatenate([self._values, values])
        self._presence = np.concatenate([self._presence, presence])

    def _update(self, limit: int | None) -> Update:
        """Reads the window, and commits the steps before `limit`; None commits all."""
        assert self._values is not None and self._presence is not None
        frames = self._read - self._start
        log_probs = self._emit(self._values[:frames], self._presence[:frames])
        first = self._start // self._stride
        end = first + len(log_probs) if limit is None else max(limit, self._done)
        ready, rest = np.split(log_probs[self._done - first :], [end - self._done])
        committed, self._last = _tokens(ready, self._last, self._done, log_probs, first)
        self._done = end
        provisional, _ = _tokens(rest, self._last, self._done, log_probs, first)
        start = max(self._done * self._stride - self.settings.left, 0)
        start -= start % self._stride
        self._values = self._values[start - self._start :]
        self._presence = self._presence[start - self._start :]
        self._start = start
        return Update(committed, provisional)


def _tokens(
    steps: np.ndarray, last: int, place: int, window: np.ndarray, first: int
) -> tuple[list[StreamToken], int]:
    """Tokens that begin in steps (S, V), which follow a step with the label `last`.

    Args:
        place: number of the first step; `first` is that of the window (T', V).

    Returns:
        them, and the label of the last step.
    """
    best = window.argmax(axis=1)
    found = []
    for number in range(place, place + len(steps)):
        label = int(best[number - first])
        if label not in (BLANK, last):
            run = number - first
            until = run + int(np.argmax(np.append(best[run:] != label, True)))
            confidence = float(np.exp(window[run:until, label]).mean())
            found.append(StreamToken(label, number, confidence))
        last = label
    return found, last


def model_emit(model: Recogniser) -> Emit:
    """Reads windows with a model in evaluation mode, on its device."""
    device = next(model.parameters()).device

    @torch.inference_mode()
    def emit(values: np.ndarray, presence: np.ndarray) -> np.ndarray:
        arrays = (subsampled(array, model.max_frames) for array in (values, presence))
        features, present = (torch.from_numpy(np.ascontiguousarray(a))[None] for a in arrays)
        lengths = torch.tensor([features.shape[1]])
        output = model(*(x.to(device) for x in (features, present, lengths)))
        # The temperature changes confidences; the best label of a step stays the best.
        softened = (output.log_probs[0].float() / model.temperature).log_softmax(dim=-1)
        log_probs: np.ndarray = softened.cpu().numpy()
        return log_probs

    return emit
