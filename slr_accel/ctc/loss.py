"""The CTC loss as a sum and a count, in float32."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from slr_accel.corpus.vocabulary import BLANK


def ctc_loss(
    log_probs: Tensor, output_lengths: Tensor, targets: Tensor, target_lengths: Tensor
) -> Tensor:
    """Sum over the batch of -log p(labels) (Graves et al. 2006), a float32 scalar.

    Nothing is normalised here: the sum is divided once by the number of targets of the whole
    optimizer step. Rows that cannot be aligned must not come here (the plan drops and counts
    them): their loss is infinite, and is not hidden.

    Args:
        log_probs: [B, T', V] float32.
        output_lengths: [B] int64.
        targets: [B, U] int64, padded.
        target_lengths: [B] int64.
    """
    # Lengths stay int64 on the device of log_probs: int32 ones on the CPU select cuDNN's CTC,
    # which fails there (pytorch 152421).
    return functional.ctc_loss(
        log_probs.float().transpose(0, 1),  # (T', B, V)
        targets,
        output_lengths,
        target_lengths,
        blank=BLANK,
        reduction="sum",
        zero_infinity=False,
    )
