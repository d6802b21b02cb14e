"""Joins what live recognition needs: landmarks to the model's rate, chunks, words, rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.live.rate import RateConverter
from slr_accel.live.rest import RestDetector
from slr_accel.live.streaming import Emit, Stream, StreamSettings, StreamToken, Update
from slr_accel.video.landmarks import Landmarks


class LiveWord(NamedTuple):
    text: str
    time: float
    """Seconds from the start of the source."""
    confidence: float


class LiveUpdate(NamedTuple):
    committed: list[LiveWord]
    """Words that are new, and stay."""
    provisional: list[LiveWord]
    at_rest: bool = False
    """Whether the signing has ended: the next word begins a new sentence."""


@dataclass
class LiveSession:
    """Reads landmarks as they come. At rest a sentence ends: all of it is committed."""

    emit: Emit
    output_stride: int
    frames_per_second: float
    vocabulary: Vocabulary
    settings: StreamSettings
    columns: list[int]
    """The columns of the model's layout in STORED_LAYOUT."""
    blocks: list[int]
    recorded: Callable[[np.ndarray, np.ndarray], None] = lambda values, presence: None
    """Called with the frames that the model is given, [T, D] and [T, blocks]."""
    frames: int = 0
    """Frames at the model's rate so far."""
    _stream: Stream | None = field(default=None, repr=False)
    _offset: int = 0

    def __post_init__(self) -> None:
        self._rate = RateConverter(self.frames_per_second)
        self._rest = RestDetector(self.frames_per_second)

    def add(self, time: float, features: np.ndarray, presence: np.ndarray) -> list[LiveUpdate]:
        """Adds a frame in the columns of STORED_LAYOUT; returns what it has changed."""
        new = self._rate.add(time, features, presence)
        return [] if new is None else self._read(new)

    def end(self) -> LiveUpdate:
        """Commits the rest of the sentence, where one is open."""
        update = Update([], []) if self._stream is None else self._stream.end()
        self._stream = None
        return self._words(update, at_rest=True)

    def _read(self, landmarks: Landmarks) -> list[LiveUpdate]:
        updates = []
        for features, presence in zip(landmarks.features, landmarks.presence, strict=True):
            values, present = features[None, self.columns], presence[None, self.blocks]
            self.recorded(values, present)
            at_rest = self._rest.add(features, presence)
            self.frames += 1
            if at_rest:
                if self._stream is not None:
                    updates.append(self.end())
                continue
            if self._stream is None:
                self._stream = Stream(self.emit, self.output_stride, self.settings)
                self._offset = self.frames - 1
            updates += [self._words(update) for update in self._stream.push(values, present)]
        return updates

    def _words(self, update: Update, at_rest: bool = False) -> LiveUpdate:
        return LiveUpdate(
            [self._word(token) for token in update.committed],
            [self._word(token) for token in update.provisional],
            at_rest,
        )

    def _word(self, token: StreamToken) -> LiveWord:
        (text,) = self.vocabulary.decode([token.token])
        frame = self._offset + token.step * self.output_stride
        return LiveWord(text, frame / self.frames_per_second, token.confidence)
