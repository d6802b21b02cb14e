"""Is the recogniser saying anything at all, or has it collapsed to blanks or to one answer?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from slr_accel.labels.vocabulary import BLANK


@dataclass(frozen=True)
class Health:
    """What a model emitted over a whole split, as integers that can be summed over batches."""

    blank_frames: int
    """Valid output steps whose best token is blank."""
    frames: int
    """Valid output steps."""
    empty_hypotheses: int
    num_sequences: int
    distinct_tokens: int
    """Different tokens anywhere in the hypotheses."""
    distinct_hypotheses: int

    @property
    def blank_share(self) -> float:
        """Fraction of the valid output steps; 0 where there are none."""
        return self.blank_frames / max(self.frames, 1)

    @property
    def empty_share(self) -> float:
        """Fraction of the sequences; 0 where there are none."""
        return self.empty_hypotheses / max(self.num_sequences, 1)


@torch.no_grad()
def count_blank_frames(log_probs: Tensor, output_lengths: Tensor) -> tuple[int, int]:
    """(steps whose best token is blank, steps) of a batch, padding left out.

    `log_probs` is (B, T', V) with blank = 0, `output_lengths` (B,).
    """
    steps = torch.arange(log_probs.shape[1], device=log_probs.device)
    valid = steps < output_lengths.to(log_probs.device)[:, None]  # (B, T')
    blank = (log_probs.argmax(dim=-1) == BLANK) & valid
    blank_frames, frames = torch.stack([blank.sum(), valid.sum()]).tolist()
    return blank_frames, frames


def hypothesis_health(hypotheses: list[list[int]], blank_frames: int, frames: int) -> Health:
    """Health of a split: all its hypotheses, and the sums of `count_blank_frames` over it."""
    return Health(
        blank_frames=blank_frames,
        frames=frames,
        empty_hypotheses=sum(not tokens for tokens in hypotheses),
        num_sequences=len(hypotheses),
        distinct_tokens=len({token for tokens in hypotheses for token in tokens}),
        distinct_hypotheses=len({tuple(tokens) for tokens in hypotheses}),
    )


def warning(health: Health, *, errors: int) -> str | None:
    """What is wrong and where to look first, or None where the hypotheses differ or are right.

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
    """The same of sequences that nobody can score, read by a model whose training is over."""
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
    blanks = f"{100 * health.blank_share:.1f} % of {health.frames} output steps are blank"
    if health.empty_hypotheses == health.num_sequences:
        return f"every hypothesis is empty ({health.num_sequences} sequences; {blanks})"
    if health.distinct_hypotheses == 1 and health.num_sequences > 1:
        return (
            f"all {health.num_sequences} hypotheses are the same ({health.distinct_tokens} "
            f"distinct tokens; {blanks})"
        )
    return None
