"""Shallow fusion: what a language model adds to the score of a prefix, token by token."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

import numpy as np


class Grammar(Protocol):
    """Says which tokens may follow, and how good they are. A state is what it remembers."""

    start: Any
    largest_gain: float
    """No token adds more."""

    def gains(self, state: Any) -> np.ndarray:
        """What each token adds to the score after this state, (V,), in nats; -inf forbids it."""

    def after(self, state: Any, token: int) -> Hashable:
        """The state after one more token."""

    def end(self, state: Any) -> float:
        """What the end of the sentence adds; -inf forbids it."""


class Fusion:
    """The states of a grammar that a search has met, by number, with a row of gains each.

    States are numbered anew for each search, which bounds the memory: V numbers a state.
    """

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.largest_gain = grammar.largest_gain
        self._states = [grammar.start]
        self._numbers = {grammar.start: 0}
        self._after: dict[tuple[int, int], int] = {}
        self._rows = grammar.gains(grammar.start)[None]
        self._has_row = 1

    def gains(self, states: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """What tokens (A, C) add after states (A, K): (A, K, C)."""
        self._fill()
        found: np.ndarray = self._rows[states[:, :, None], tokens[:, None, :]]
        return found

    def gains_at_most(self, states: np.ndarray) -> np.ndarray:
        """The most that each token adds after any of a row's states (A, K): (A, V)."""
        self._fill()
        most: np.ndarray = self._rows[states].max(axis=1)
        return most

    def after(self, states: np.ndarray, tokens: np.ndarray) -> list[int]:
        """The numbers of the states after one more token each."""
        found = []
        for step in zip(states.tolist(), tokens.tolist(), strict=True):
            number = self._after.get(step)
            if number is None:
                following = self.grammar.after(self._states[step[0]], step[1])
                number = self._numbers.setdefault(following, len(self._states))
                if number == len(self._states):
                    self._states.append(following)
                self._after[step] = number
            found.append(number)
        return found

    def ends(self, states: np.ndarray) -> np.ndarray:
        """What the end of the sentence adds after states (A, K): (A, K)."""
        ends = {number: self.grammar.end(self._states[number]) for number in np.unique(states)}
        found: np.ndarray = np.vectorize(ends.__getitem__, otypes=[np.float64])(states)
        return found

    def _fill(self) -> None:
        """Computes the rows of the states that were met since the last step."""
        if len(self._states) > len(self._rows):
            more = np.empty((2 * len(self._states), self._rows.shape[1]))
            more[: self._has_row] = self._rows[: self._has_row]
            self._rows = more
        for number in range(self._has_row, len(self._states)):
            self._rows[number] = self.grammar.gains(self._states[number])
        self._has_row = len(self._states)
