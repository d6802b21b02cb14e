"""Measures what a recogniser emits: blanks, confidence, entropy, and whether hypotheses differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from slr_accel.labels.vocabulary import BLANK


@dataclass(frozen=True)
class OutputMeans:
    """Means over the valid output steps of one or many batches."""

    steps: int
    blank_share: float
    """Share of the steps whose best token is blank."""
    blank_probability: float
    entropy: float
    """Entropy of the distribution of a step over ln V: 1 is uniform, 0 is certain."""
    confidence: float
    """Probability of the best token."""

    @classmethod
    def of(cls, sums: Sequence[float]) -> OutputMeans:
        """From the sum of `output_sums` over batches; zeros where there was no step."""
        steps, blanks, blank_probability, entropy, confidence = sums
        count = max(steps, 1)
        return cls(
            steps=int(steps),
            blank_share=blanks / count,
            blank_probability=blank_probability / count,
            entropy=entropy / count,
            confidence=confidence / count,
        )

    def figures(self) -> dict[str, float]:
        """The means by name, as they are logged."""
        return {name: value for name, value in vars(self).items() if name != "steps"}


NUM_SUMS = 5
"""Length of `output_sums`."""


@torch.no_grad()
def output_sums(log_probs: Tensor, output_lengths: Tensor) -> Tensor:
    """Sums figures over the valid output steps of a batch: [5] float32 on the device, unread.

    They are the number of steps, those whose best token is blank, the probability of blank, the
    entropy over ln V, and the probability of the best token.

    Args:
        log_probs: [B, T', V] with blank = 0.
        output_lengths: [B] int64.
    """
    steps = torch.arange(log_probs.shape[1], device=log_probs.device)
    valid = steps < output_lengths.to(log_probs.device)[:, None]  # (B, T')
    best_log_prob, best = log_probs.max(dim=-1)
    each = torch.stack(
        [
            torch.ones_like(best_log_prob),
            (best == BLANK).to(best_log_prob.dtype),
            log_probs[..., BLANK].exp(),
            torch.special.entr(log_probs.exp()).sum(dim=-1) / math.log(log_probs.shape[-1]),
            best_log_prob.exp(),
        ]
    )
    return torch.where(valid, each, 0.0).sum(dim=(1, 2))


@dataclass(frozen=True)
class Health:
    """What a model emitted over a whole split."""

    outputs: OutputMeans
    empty_hypotheses: int
    num_sequences: int
    distinct_tokens: int
    """Different tokens anywhere in the hypotheses."""
    distinct_hypotheses: int

    @property
    def empty_share(self) -> float:
        """Fraction of the sequences; 0 where there are none."""
        return self.empty_hypotheses / max(self.num_sequences, 1)


def hypothesis_health(hypotheses: list[list[int]], outputs: OutputMeans) -> Health:
    """Health of a split from all its hypotheses and the means of its outputs."""
    return Health(
        outputs=outputs,
        empty_hypotheses=sum(not tokens for tokens in hypotheses),
        num_sequences=len(hypotheses),
        distinct_tokens=len({token for tokens in hypotheses for token in tokens}),
        distinct_hypotheses=len({tuple(tokens) for tokens in hypotheses}),
    )


def warning(health: Health, *, errors: int) -> str | None:
    """Says what is wrong and where to look first; None where the hypotheses differ or are right.

    Args:
        errors: of all hypotheses; there are none where all references are the same, and found.
    """
    found = _suspicion(health)
    if found is None or not errors:
        return None
    if health.distinct_tokens == 0:
        return (
            f"{found}, so WER is 100 %. Early in training this is usual: CTC learns blanks first. "
            "If it stays, look first at the number of optimizer steps taken (a large accumulation "
            "leaves few), then at the learning rate (too low or too high), then at whether the "
            "features vary"
        )
    return (
        f"{found}: the output does not depend on the input. Look first at whether the features "
        "are constant or all missing, then at their normalisation, then at the learning rate (too "
        "high) and the number of optimizer steps taken (too few)"
    )


def warning_without_references(health: Health) -> str | None:
    """As `warning`, for sequences without references, read by a trained model."""
    found = _suspicion(health)
    if found is None:
        return None
    return (
        f"{found}. Look first with `slr-accel inspect` at whether these sequences are like those "
        "trained on, then with `slr-accel evaluate` at whether the model reads any"
    )


def _suspicion(health: Health) -> str | None:
    if health.num_sequences == 0:
        return None
    outputs = health.outputs
    blanks = f"{100 * outputs.blank_share:.1f} % of {outputs.steps} output steps are blank"
    if health.empty_hypotheses == health.num_sequences:
        return f"every hypothesis is empty ({health.num_sequences} sequences; {blanks})"
    if health.distinct_hypotheses == 1 and health.num_sequences > 1:
        return (
            f"all {health.num_sequences} hypotheses are the same ({health.distinct_tokens} "
            f"distinct tokens; {blanks})"
        )
    return None
