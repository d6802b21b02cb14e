"""Defines what a report shows of a run beside its scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Track = list[tuple[float, float, str, str]]
"""(start, end, word, error) of each word; times in output steps."""


@dataclass(frozen=True)
class ShownSentence:
    """One sentence with its landmarks and what the model said over time."""

    clip: str | None
    """The name of its clip; None where there is nothing to draw."""
    tracks: dict[str, Track]
    """The words of reference and hypothesis, aligned with the output."""
    output: dict[str, Any]
    """What `svg.heat_map` draws."""
    step_seconds: float


@dataclass(frozen=True)
class ShownSign:
    """A place where a sign is made."""

    sentence: str
    clip: str


@dataclass(frozen=True)
class ConfusedSigns:
    """A substitution, with the sign that was made and an example of the one that was read."""

    reference: str
    hypothesis: str
    times: int
    made: ShownSign
    read: ShownSign


@dataclass(frozen=True)
class Details:
    """What a report shows beside scores and alignments; every part may be empty."""

    curves: list[dict[str, Any]] = field(default_factory=list)
    """Those of diagnosis.training_log."""
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Error counts of groups of sentences, each with its `name`."""
    recall: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Counts of reference words of a kind: `name`, `words`, `correct`."""
    unseen: str = ""
    """Which reference words train lacks: a sentence."""
    sentences: dict[str, ShownSentence] = field(default_factory=dict)
    """By id."""
    confused: list[ConfusedSigns] = field(default_factory=list)
    skeleton: dict[str, Any] = field(default_factory=dict)
    clips: dict[str, Any] = field(default_factory=dict)
    """By name; those of scoring.replay."""
    ranks: dict[str, int | None] = field(default_factory=dict)
    """By id: the place of the reference among the n best of the decoder, 1 is the best; None where
    it is not among them. Empty where the decoder gives one hypothesis alone."""
    greedy_errors: dict[str, int] = field(default_factory=dict)
    """By id: errors of greedy decoding, where another decoder was scored."""
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings and origin of the run, under their headings."""
