"""Computes the CTC loss in float32, with a blank margin and a delay penalty."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from slr_accel.labels.vocabulary import BLANK
from slr_accel.padding import frame_mask


def ctc_loss(
    log_probs: Tensor,
    output_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    *,
    delay_penalty: float = 0.0,
    blank_margin: float = 0.0,
) -> Tensor:
    """Sums -log p(labels) over the batch (Graves et al. 2006): a float32 scalar.

    Nothing is normalised here: the sum is divided once by the number of targets of the whole
    optimizer step. The arguments are those of `ctc_losses`.
    """
    return ctc_losses(
        log_probs,
        output_lengths,
        targets,
        target_lengths,
        delay_penalty=delay_penalty,
        blank_margin=blank_margin,
    ).sum()


def ctc_losses(
    log_probs: Tensor,
    output_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    *,
    lengths_on_host: Tensor | None = None,
    delay_penalty: float = 0.0,
    blank_margin: float = 0.0,
) -> Tensor:
    """-log p(labels) of each sequence: [B] float32.

    Rows that cannot be aligned must not come here (the plan drops and counts them): their loss is
    infinite, and is not hidden.

    Args:
        log_probs: [B, T', V] float32.
        output_lengths: [B] int64.
        targets: [B, U] int64, padded.
        target_lengths: [B] int64; those that lie on the host are not asked of the device.
        lengths_on_host: output_lengths on the host, where they are known there.
        delay_penalty: nats per output step by which a token costs more the later it is said. The
            loss may fall below 0 then.
        blank_margin: nats that blank is ahead by in the loss, so that recognition, where it is not,
            leaves fewer tokens out. Logit adjustment (Menon et al. 2021) of the one class that
            most output steps have.
    """
    log_probs = log_probs.float()
    if blank_margin:
        log_probs = (log_probs + blank_margin * _is_blank(log_probs)).log_softmax(-1)
    beyond: Tensor | float = 0.0
    if delay_penalty:
        log_probs = log_probs - delay_penalty * _delays(log_probs, output_lengths)
        # torch's gradient is right only where the probabilities of a step sum to 1. Each path takes
        # one symbol a step, so that what they sum to can stand beside the loss.
        sums = log_probs.logsumexp(-1)
        log_probs = log_probs - sums[..., None]
        beyond = (sums * frame_mask(output_lengths, sums.shape[1])).sum(1)
    # Lengths stay int64: int32 ones on the CPU select cuDNN's CTC, which fails there (pytorch
    # 152421). Of lengths on a GPU torch waits for a copy on the host, only to copy them back.
    losses = functional.ctc_loss(
        log_probs.transpose(0, 1),  # (T', B, V)
        targets,
        output_lengths if lengths_on_host is None else lengths_on_host,
        target_lengths,
        blank=BLANK,
        reduction="none",
        zero_infinity=False,
    )
    return losses - beyond


def _delays(log_probs: Tensor, output_lengths: Tensor) -> Tensor:
    """Steps from the middle of the sequence for all tokens but blank, which has 0: [B, T', V].

    Measured from the middle, and not from the start, saying nothing becomes no cheaper. After Yao
    et al. 2023 ("Delay-penalized CTC implemented based on finite state transducer"), who weigh the
    first step of a token alone, which takes a lattice; here each of its steps counts.
    """
    steps = torch.arange(log_probs.shape[1], device=log_probs.device)
    late = steps - (output_lengths[:, None] - 1) / 2
    return late[..., None] * ~_is_blank(log_probs)


def _is_blank(log_probs: Tensor) -> Tensor:
    """[V] bool."""
    return torch.arange(log_probs.shape[2], device=log_probs.device) == BLANK
