"""Prefix beam search for CTC: the most probable token sequences, summed over their paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from slr_accel.ctc.fusion import Fusion, Grammar
from slr_accel.labels.vocabulary import BLANK

SORTED_TOKENS = 64
"""Tokens of an output step that are sorted beforehand for a grammar; where more have a chance, all
are taken."""
NOBODY, NO_PARENT = -1, -2
"""Node and parent of a place in a beam that holds no prefix; and the parent of an empty prefix."""


class Scored(NamedTuple):
    """A token sequence and how good it is."""

    tokens: list[int]
    score: float
    """Nats; what sequences are ranked by: `log_prob` and what a language model adds."""
    log_prob: float
    """Log-probability under CTC, summed over the paths that the beam kept."""


@torch.no_grad()
def prefix_beam_search(
    log_probs: Tensor, output_lengths: Tensor, *, beam: int, grammar: Grammar | None = None
) -> list[list[Scored]]:
    """Returns the best token sequences of each output, best first, `beam` at most.

    After each output step the `beam` best prefixes are kept (Hannun et al. 2014, "First-pass large
    vocabulary continuous speech recognition"). Nothing else is left out: a token is passed over
    only where no prefix that ends in it can be among the kept ones. All sequences of the batch are
    searched at once, on the host: time and memory grow with the sum of their lengths.

    Args:
        log_probs: (B, T', V) with blank = 0, on any device.
        output_lengths: (B,); steps from a sequence's length on have no influence.
        beam: prefixes that are kept.
        grammar: what a language model or a lexicon adds to the score, token by token.

    Raises:
        ValueError: a log-probability is NaN.
    """
    emitted = log_probs.detach().to("cpu", torch.float32)
    values, lengths = emitted.numpy(), output_lengths.cpu().numpy()
    inside = np.arange(emitted.shape[1]) < lengths[:, None]
    if (np.isnan(values).any(axis=-1) & inside).any():
        raise ValueError("the log-probabilities of the model are NaN: there is nothing to decode")
    order = np.argsort(-lengths, kind="stable")  # sequences that are over stand behind the others
    search = _Search(len(lengths), emitted.shape[2], beam, grammar)
    likeliest = _likeliest(values, search.num_sorted)
    for step in range(int(lengths.max(initial=0))):
        rows = order[: int((lengths > step).sum())]
        search.advance(values[rows, step], *(array[rows, step] for array in likeliest))
    found = search.n_best()
    return [found[place] for place in np.argsort(order)]


def _likeliest(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest tokens of each step but blank, in order, and their log-probabilities.

    Both are (B, T', C). Beams hold float64; log-probabilities stay float32 until they are added.
    """
    said = values[..., BLANK + 1 :]
    some = np.argpartition(said, said.shape[-1] - count, axis=-1)[..., -count:]
    scores = np.take_along_axis(said, some, axis=-1)
    order = np.argsort(-scores, axis=-1)
    tokens = np.take_along_axis(some, order, axis=-1) + BLANK + 1
    return tokens, np.take_along_axis(scores, order, axis=-1)


@dataclass
class _Beams:
    """The kept prefixes of every sequence, in any order; every array is (B, K)."""

    blank: np.ndarray
    """Log-probability of the paths that say the prefix and end in blank."""
    said: np.ndarray
    """That of the paths that end in its last token."""
    added: np.ndarray
    """What the grammar has added to its score."""
    last: np.ndarray
    """Last token; blank for the empty prefix."""
    node: np.ndarray
    """Its number in the tree of all prefixes."""
    parent: np.ndarray
    """The number of the prefix without the last token."""

    def first(self, count: int) -> _Beams:
        """Views of the first sequences."""
        return _Beams(*(array[:count] for array in vars(self).values()))


class _Search:
    """A search in progress."""

    def __init__(self, count: int, num_outputs: int, beam: int, grammar: Grammar | None) -> None:
        self.num_outputs = num_outputs
        self.fusion = None if grammar is None else Fusion(grammar)
        # Without a grammar the tokens have one order for all prefixes, and of 2 K tokens, for each
        # prefix, K lead to a prefix that is not kept yet: K - 1 others may be kept already, and its
        # own last token counts less than it seems to.
        num_sorted = 2 * beam if grammar is None else max(2 * beam, SORTED_TOKENS)
        self.num_sorted = min(num_sorted, num_outputs - 1)
        shape = (count, beam)
        self.beams = _Beams(
            blank=np.full(shape, -np.inf),
            said=np.full(shape, -np.inf),
            added=np.zeros(shape),
            last=np.full(shape, BLANK),
            node=np.full(shape, NOBODY),
            parent=np.full(shape, NO_PARENT),
        )
        self.beams.blank[:, 0] = 0.0
        self.beams.node[:, 0] = np.arange(count)
        self.children: dict[int, int] = {}
        """The node of each (node, token), which are one number."""
        self.last = [BLANK] * count
        self.parents = [NO_PARENT] * count
        self.states = np.zeros(max(count, 1), np.int64)
        """The grammar's state after each node, as far as nodes have been made."""

    def advance(self, emitted: np.ndarray, tokens: np.ndarray, scores: np.ndarray) -> None:
        """Takes an output step of the first A sequences.

        Args:
            emitted: (A, V) log-probabilities.
            tokens, scores: (A, C) the likeliest tokens and their log-probabilities, in order.
        """
        beams = self.beams.first(len(emitted))
        total = np.logaddexp(beams.blank, beams.said)
        # Where both a prefix and the one a token shorter are kept: sequence, prefix, shorter one.
        kept = np.nonzero(beams.parent[:, :, None] == beams.node[:, None, :])
        stays_blank = total + emitted[:, :1]
        stays_said = _said_again(beams, total, emitted, kept)
        tokens, scores = self._with_a_chance(emitted, tokens, scores, total + beams.added)
        # A path goes on to another token from anywhere, to the same one only from a blank.
        same = tokens[:, None] == beams.last[:, :, None]  # (A, K, C)
        grown = np.where(same, beams.blank[:, :, None], total[:, :, None]) + scores[:, None]
        gains = 0.0 if self.fusion is None else self.fusion.gains(self.states[beams.node], tokens)
        ranked = grown + beams.added[:, :, None] + gains
        sequence, longer, shorter = kept
        again, column = np.nonzero(tokens[sequence] == beams.last[sequence, longer][:, None])
        ranked[sequence[again], shorter[again], column] = -np.inf  # that prefix is kept already
        stays = np.logaddexp(stays_blank, stays_said)
        if not tokens.size:
            beams.blank[:], beams.said[:] = stays_blank, stays_said
            return
        chosen = _best(stays + beams.added, ranked)  # (A, K)

        row = np.arange(len(chosen))[:, None]
        num_kept, num_tokens = chosen.shape[1], tokens.shape[1]
        is_new = chosen >= num_kept
        source = np.where(is_new, (chosen - num_kept) // num_tokens, chosen)
        new = _Beams(*(array[row, source] for array in vars(beams).values()))
        new.blank, new.said = stays_blank[row, source], stays_said[row, source]
        if is_new.any():
            a, k = np.nonzero(is_new)
            s, c = source[a, k], (chosen[a, k] - num_kept) % num_tokens
            if self.fusion is not None:
                new.added[a, k] += gains[a, s, c]  # type: ignore[index]
            possible = ranked[a, s, c] > -np.inf
            new.blank[a, k], new.said[a, k] = -np.inf, np.where(possible, grown[a, s, c], -np.inf)
            new.last[a, k] = tokens[a, c]
            new.parent[a, k] = np.where(possible, new.node[a, k], NO_PARENT)
            new.node[a, k] = NOBODY
            a, k = a[possible], k[possible]
            new.node[a, k] = self._nodes(new.parent[a, k], new.last[a, k])
        for array, values in zip(vars(beams).values(), vars(new).values(), strict=True):
            array[:] = values

    def _with_a_chance(
        self, emitted: np.ndarray, tokens: np.ndarray, scores: np.ndarray, ranks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tokens with which a new prefix may get into a beam, and their log-probabilities.

        Every kept prefix stays at least as good as it is after a blank. So good the best one must
        be after a token, with the most that a grammar may add.
        """
        gain = 0.0 if self.fusion is None else self.fusion.largest_gain
        with np.errstate(invalid="ignore"):  # -inf - -inf, where nothing is possible any more
            least = ranks.min(axis=1) - ranks.max(axis=1) + emitted[:, BLANK] - gain
        count = int((scores >= least[:, None]).sum(axis=1).max())
        if count < tokens.shape[1] or self.fusion is None or count == self.num_outputs - 1:
            return tokens[:, :count], scores[:, :count]
        everything = np.arange(BLANK + 1, self.num_outputs)
        return np.broadcast_to(everything, (len(emitted), len(everything))), emitted[:, 1:]

    def _nodes(self, parents: np.ndarray, tokens: np.ndarray) -> list[int]:
        """The nodes of these prefixes with these tokens behind, made where they are new."""
        nodes = []
        keys = (parents * self.num_outputs + tokens).tolist()
        for key, parent, token in zip(keys, parents.tolist(), tokens.tolist(), strict=True):
            node = self.children.get(key)
            if node is None:
                node = self.children[key] = len(self.last)
                self.last.append(token)
                self.parents.append(parent)
                if self.fusion is not None:
                    if node >= len(self.states):
                        self.states = np.concatenate([self.states, np.zeros_like(self.states)])
                    self.states[node] = self.fusion.after(int(self.states[parent]), token)
            nodes.append(node)
        return nodes

    def n_best(self) -> list[list[Scored]]:
        """What each sequence's beam holds, best first. Where a grammar lets none of the prefixes
        end, they are ranked as if the sequence went on."""
        beams = self.beams
        log_prob = np.logaddexp(beams.blank, beams.said)
        score = log_prob + beams.added
        if self.fusion is not None:
            ended = score + self.fusion.ends(self.states[beams.node])
            can_end = (ended > -np.inf).any(axis=1, keepdims=True)
            score = np.where(can_end, ended, score)
        found = []
        for row, order in enumerate(np.argsort(-score, axis=1, kind="stable")):
            possible = [k for k in order if score[row, k] > -np.inf]
            found.append(
                [
                    Scored(self._prefix(beams.node[row, k]), *map(float, both))
                    for k in possible
                    for both in [(score[row, k], log_prob[row, k])]
                ]
                or [Scored([], -np.inf, -np.inf)]
            )
        return found

    def _prefix(self, node: int) -> list[int]:
        tokens = []
        while self.parents[node] != NO_PARENT:
            tokens.append(self.last[node])
            node = self.parents[node]
        return tokens[::-1]


def _said_again(
    beams: _Beams, total: np.ndarray, emitted: np.ndarray, kept: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Log-probability of the paths that end in each prefix's last token after this step: (A, K).

    They ended in it before, or come from the prefix without it, where that is kept.
    """
    score = emitted[np.arange(len(emitted))[:, None], beams.last]
    said: np.ndarray = beams.said + score
    sequence, longer, shorter = kept
    same = beams.last[sequence, longer] == beams.last[sequence, shorter]
    before = np.where(same, beams.blank[sequence, shorter], total[sequence, shorter])
    came = before + score[sequence, longer]
    said[sequence, longer] = np.logaddexp(said[sequence, longer], came)
    return said


def _best(stays: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """The K best of the K prefixes (A, K) and of those a token longer (A, K, C), in any order.

    Returns:
        (A, K): k for a prefix that stays, K + k C + c for one grown by the token c.
    """
    count, num_kept = stays.shape
    every = np.concatenate([stays, ranked.reshape(count, -1)], axis=1)
    return np.argpartition(every, -num_kept, axis=1)[:, -num_kept:]
