"""Decodes CTC log-probabilities: which tokens they say, at which output steps, how surely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from slr_accel.ctc.alignment import forced_alignments
from slr_accel.ctc.beam import Scored, prefix_beam_search
from slr_accel.ctc.grammars import make_grammar
from slr_accel.labels.vocabulary import BLANK, Vocabulary
from slr_accel.settings.decoding import DecodingSettings


@dataclass(frozen=True)
class Hypothesis:
    """The tokens of one sequence; the first four lists have one entry a token."""

    tokens: list[int]
    start: list[int]
    """First output step of the token's run."""
    end: list[int]
    """Output step after its last."""
    confidence: list[float]
    """Mean probability of the token over its run, 0 to 1; CTC outputs are seldom calibrated."""
    n_best: list[Scored] = field(default_factory=list)
    """The best token sequences of a beam, the first of which this is; empty of greedy decoding."""
    greedy: list[int] = field(default_factory=list)
    """What greedy decoding says instead, where there is an n-best list."""


Decoder = Callable[[Tensor, Tensor], list[Hypothesis]]
"""(log_probs [B, T', V], output_lengths [B]) -> the best hypothesis of each sequence."""


def make_decoder(settings: DecodingSettings, vocabulary: Vocabulary) -> Decoder:
    """The decoder that `--decoder` names, with its settings.

    Raises:
        ValueError: the language model cannot be read, or does not belong to the vocabulary.
    """
    return DECODERS[settings.decoder](settings, vocabulary)


@torch.no_grad()
def greedy_decode(log_probs: Tensor, output_lengths: Tensor) -> list[Hypothesis]:
    """Takes the best token of each step, merges repeats, removes blanks (Graves et al. 2006, 3.2).

    `log_probs` is (B, T', V) with blank = 0, `output_lengths` (B,); steps from a sequence's length
    on have no influence. The results come to the host in one copy for the batch.
    """
    log_prob, best = log_probs.max(dim=-1)  # (B, T')
    steps = torch.arange(log_probs.shape[1], device=log_probs.device)
    valid = steps < output_lengths.to(log_probs.device)[:, None]
    best = best.where(valid, BLANK)
    # Token ids are far below 2**24, so float32 holds them exactly and both travel as one tensor.
    both = torch.stack([best.float(), log_prob.float().exp()]).cpu().numpy()  # (2, B, T')
    ids, probability = both[0].astype(np.int64), both[1]
    return [_merge(i, p) for i, p in zip(ids, probability, strict=True)]


def _merge(best: np.ndarray, probability: np.ndarray) -> Hypothesis:
    """Runs of one sequence: `best` and `probability` are (T',), padding already blank."""
    if best.size == 0:
        return Hypothesis([], [], [], [])
    start = np.flatnonzero(np.diff(best, prepend=best[0] - 1))
    end = np.append(start[1:], len(best))
    confidence = np.add.reduceat(probability, start) / (end - start)
    kept = best[start] != BLANK
    return Hypothesis(
        tokens=best[start][kept].tolist(),
        start=start[kept].tolist(),
        end=end[kept].tolist(),
        confidence=confidence[kept].tolist(),
    )


def beam_decoder(settings: DecodingSettings, vocabulary: Vocabulary) -> Decoder:
    """Prefix beam search with the language model of the settings; times by forced alignment.

    A beam of 1 without one is greedy: a single prefix has nothing to be compared with, and the sum
    over the paths that it happened to keep is worse than the best path.
    """
    grammar = make_grammar(settings, vocabulary)
    if settings.beam == 1 and grammar is None:
        return greedy_decode

    def decode(log_probs: Tensor, output_lengths: Tensor) -> list[Hypothesis]:
        n_best = prefix_beam_search(log_probs, output_lengths, beam=settings.beam, grammar=grammar)
        tokens = [sequences[0].tokens for sequences in n_best]
        times = forced_alignments(log_probs.float().cpu().numpy(), output_lengths.tolist(), tokens)
        greedy = greedy_decode(log_probs, output_lengths)
        return [
            Hypothesis(best, found.start, found.end, found.confidence, own, other.tokens)
            for best, found, own, other in zip(tokens, times, n_best, greedy, strict=True)
        ]

    return decode


DECODERS: dict[str, Callable[[DecodingSettings, Vocabulary], Decoder]] = {
    "greedy": lambda settings, vocabulary: greedy_decode,
    "beam": beam_decoder,
}
"""Makes each decoder from its settings. A new decoder is a function and its line here."""
