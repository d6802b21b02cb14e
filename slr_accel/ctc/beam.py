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
"""Tokens of an output step that are sorted beforehand for a grammar."""
NOBODY, NO_PARENT, EMPTY = 1, 2, 0x9E3779B97F4A7C15
"""Name and parent of a place in a beam that holds no prefix, the latter also the parent of the
empty prefix; and the name of that."""


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
    likeliest = _likeliest(emitted, search.num_sorted)
    with np.errstate(invalid="ignore"):  # -inf - -inf, where nothing is possible any more
        for step in range(int(lengths.max(initial=0))):
            rows = order[: np.count_nonzero(lengths > step)]
            search.advance(values[rows, step], *(array[rows, step] for array in likeliest))
    found = search.n_best()
    return [found[place] for place in np.argsort(order)]


def _likeliest(emitted: Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest tokens of each step but blank, in order, and their log-probabilities.

    Both are (B, T', C). Beams hold float64; log-probabilities stay float32 until they are added.
    """
    scores, tokens = emitted[..., BLANK + 1 :].topk(count, dim=-1)
    return (tokens + BLANK + 1).numpy(), scores.numpy()


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
    name: np.ndarray
    """A number of 64 bits that its tokens give; none other has it but by a chance of 2^-64."""
    parent: np.ndarray
    """The name of the prefix without the last token."""
    state: np.ndarray
    """That of the grammar after it."""

    def first(self, count: int) -> _Beams:
        """Views of the first sequences."""
        return _Beams(*(array[:count] for array in vars(self).values()))


class _Search:
    """A search in progress."""

    def __init__(self, count: int, num_outputs: int, beam: int, grammar: Grammar | None) -> None:
        self.num_outputs = num_outputs
        self.fusion = None if grammar is None else Fusion(grammar)
        # Without a grammar K + 1 are enough (`_with_a_chance`): all prefixes order them alike.
        num_sorted = beam + 1 if grammar is None else max(beam + 1, SORTED_TOKENS)
        self.num_sorted = min(num_sorted, num_outputs - 1)
        shape = (count, beam)
        self.beams = _Beams(
            blank=np.full(shape, -np.inf),
            said=np.full(shape, -np.inf),
            added=np.zeros(shape),
            last=np.full(shape, BLANK),
            name=np.full(shape, NOBODY, np.uint64),
            parent=np.full(shape, NO_PARENT, np.uint64),
            state=np.zeros(shape, np.int64),
        )
        self.beams.blank[:, 0] = 0.0
        self.beams.name[:, 0] = EMPTY
        self.active = self.beams
        """Views of those sequences that have an output step left."""
        self.steps: list[tuple[np.ndarray, np.ndarray]] = []
        """For each kept prefix its place in the beam before, and the token that it grew by; blank
        where by none. Both are (A, K)."""

    def advance(self, emitted: np.ndarray, tokens: np.ndarray, scores: np.ndarray) -> None:
        """Takes an output step of the first A sequences.

        Args:
            emitted: (A, V) log-probabilities.
            tokens, scores: (A, C) the likeliest tokens and their log-probabilities, in order.
        """
        if len(emitted) < len(self.active.name):
            self.active = self.beams.first(len(emitted))
        beams = self.active
        total = np.logaddexp(beams.blank, beams.said)
        # Where both a prefix and the one a token shorter are kept: sequence, prefix, shorter one.
        kept = np.nonzero(beams.parent[:, :, None] == beams.name[:, None, :])
        stays_blank = total + emitted[:, :1]
        stays_said = _said_again(beams, total, emitted, kept)
        tokens, scores = self._with_a_chance(emitted, tokens, scores, total + beams.added)
        # A path goes on to another token from anywhere, to the same one only from a blank.
        same = tokens[:, None] == beams.last[:, :, None]  # (A, K, C)
        grown = np.where(same, beams.blank[:, :, None], total[:, :, None]) + scores[:, None]
        ranked = grown
        if self.fusion is not None:
            gains = self.fusion.gains(beams.state, tokens)
            ranked = grown + beams.added[:, :, None] + gains
        sequence, longer, shorter = kept
        again, column = np.nonzero(tokens[sequence] == beams.last[sequence, longer][:, None])
        ranked[sequence[again], shorter[again], column] = -np.inf  # that prefix is kept already
        stays = np.logaddexp(stays_blank, stays_said)
        if not tokens.size:
            beams.blank[:], beams.said[:] = stays_blank, stays_said
            return
        chosen = _best(stays + beams.added, ranked)  # (A, K)

        # All that follows is (A, K); each array is read by places in its flat form.
        row = np.arange(len(chosen))[:, None]
        num_kept, num_tokens = chosen.shape[1], tokens.shape[1]
        is_new = chosen >= num_kept
        old, column = np.divmod(chosen - num_kept, num_tokens)
        source = np.where(is_new, old, chosen)
        before = row * num_kept + source
        cell = np.where(is_new, before * num_tokens + column, 0)
        is_dead = is_new & (ranked.take(cell) == -np.inf)
        token = tokens.take(row * num_tokens + column)
        name = beams.name.take(before)
        added, state = beams.added.take(before), beams.state.take(before)
        if self.fusion is not None:
            added[is_new] += gains.take(cell[is_new])
            state[is_new] = self.fusion.after(state[is_new], token[is_new])
        self.steps.append((source, np.where(is_new, token, BLANK)))
        beams.blank[:] = np.where(is_new, -np.inf, stays_blank.take(before))
        beams.said[:] = np.where(is_new, grown.take(cell), stays_said.take(before))
        beams.added[:], beams.state[:] = added, state
        beams.last[:] = np.where(is_new, token, beams.last.take(before))
        beams.parent[:] = np.where(is_new, name, beams.parent.take(before))
        beams.name[:] = np.where(is_new, _name(name, token), name)
        if is_dead.any():  # fewer prefixes are possible than a beam holds
            beams.said[is_dead] = -np.inf
            beams.parent[is_dead], beams.name[is_dead] = NO_PARENT, NOBODY

    def _with_a_chance(
        self, emitted: np.ndarray, tokens: np.ndarray, scores: np.ndarray, ranks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tokens with which a new prefix may get into a beam, and their log-probabilities.

        Two things are sure to fill a beam: every kept prefix after a blank, and the best one after
        K + 1 tokens, of which one may be its last. With a token, the best prefix must get as far.
        """
        count, num_kept = ranks.shape
        first = scores
        if self.fusion is not None:
            row, best = np.arange(count), ranks.argmax(axis=1)
            states = self.beams.state[:count]
            first = scores + self.fusion.gains(states[row, best][:, None], tokens)[:, 0]
            first = -np.sort(-first, axis=1)
        least = ranks.min(axis=1) - ranks.max(axis=1) + emitted[:, BLANK]
        if first.shape[1] > num_kept:
            least = np.fmax(least, first[:, num_kept])
        gain = 0.0 if self.fusion is None else self.fusion.largest_gain
        width = int(np.count_nonzero((scores >= least[:, None] - gain).any(axis=0)))
        if width < tokens.shape[1] or self.fusion is None or width == self.num_outputs - 1:
            return tokens[:, :width], scores[:, :width]
        # More than were sorted: the grammar says of each token what it adds to any kept prefix.
        reached = (emitted + self.fusion.gains_at_most(states))[:, BLANK + 1 :]
        width = max(int((reached >= least[:, None]).sum(axis=1).max()), 1)
        tokens = np.argpartition(reached, -width, axis=1)[:, -width:] + BLANK + 1
        return tokens, emitted[row[:, None], tokens]

    def n_best(self) -> list[list[Scored]]:
        """What each sequence's beam holds, best first. Where a grammar lets none of the prefixes
        end, they are ranked as if the sequence went on."""
        beams = self.beams
        log_prob = np.logaddexp(beams.blank, beams.said)
        score = log_prob + beams.added
        if self.fusion is not None:
            ended = score + self.fusion.ends(beams.state)
            can_end = (ended > -np.inf).any(axis=1, keepdims=True)
            score = np.where(can_end, ended, score)
        found, tokens = [], self._tokens()
        for row, order in enumerate(np.argsort(-score, axis=1, kind="stable")):
            possible = [k for k in order if score[row, k] > -np.inf]
            found.append(
                [
                    Scored(tokens[row][k], *map(float, both))
                    for k in possible
                    for both in [(score[row, k], log_prob[row, k])]
                ]
                or [Scored([], -np.inf, -np.inf)]
            )
        return found

    def _tokens(self) -> list[list[list[int]]]:
        """The tokens of every prefix in the beams, found by following the steps back."""
        said = np.full((len(self.steps), *self.beams.last.shape), BLANK, np.int32)
        place = np.tile(np.arange(said.shape[2]), (said.shape[1], 1))
        first_cell = np.arange(said.shape[1])[:, None] * said.shape[2]
        for step in range(len(self.steps) - 1, -1, -1):
            source, grown_by = self.steps[step]
            now = place[: len(source)]
            cell = now + first_cell[: len(source)]
            said[step, : len(source)] = grown_by.take(cell)
            now[:] = source.take(cell)
        by_prefix = np.moveaxis(said, 0, 2)  # (B, K, steps)
        return [[own[own != BLANK].tolist() for own in prefixes] for prefixes in by_prefix]


def _name(parents: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """The names of prefixes that grow by a token (the mixing of Steele et al. 2014, SplitMix64)."""
    mixed = (parents ^ tokens.astype(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    named: np.ndarray = mixed ^ (mixed >> np.uint64(31))
    return named


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
