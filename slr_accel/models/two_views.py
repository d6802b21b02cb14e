"""Two views of a batch, each with other parts hidden, which a model in training is to read alike.

A view hides what the other shows, as in Jiao et al. 2023, "CoSign", ICCV; that two views of one
sequence are pulled together beside CTC also helps without it: Yao et al. 2025, "CR-CTC: consistency
regularization on CTC for improved speech recognition", ICLR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from slr_accel.models.recogniser import Head, Output, Recogniser
from slr_accel.padding import frame_mask


def read_views(
    model: Recogniser,
    recognise: Callable[..., Output],
    parts: Sequence[Tensor],
    lengths: Tensor,
    stride: int,
) -> Output:
    """recognise(*parts, lengths); in training, with a consistency_weight, of two views of them.

    Args:
        model: in whose settings are consistency_weight, mask_share and mask_frames.
        recognise: the rest of the model, from blocks to tokens.
        parts: each [B, T', blocks, C]; a view hides the same of all.
        lengths: [B] int64 valid steps.
        stride: frames a step of the parts.
    """
    settings = model.settings
    if not model.training or not settings.consistency_weight:
        return recognise(*parts, lengths)
    span = -(-settings.mask_frames // stride)
    shown = two_views(parts[0], settings.mask_share, span)
    both = recognise(*((shown * part).flatten(0, 1) for part in parts), lengths.repeat(2))
    return as_one(both, settings.consistency_weight)


def two_views(blocks: Tensor, share: float, span: int) -> Tensor:
    """[2, B, T', blocks, 1] bool for [B, T', blocks, C]: False where a view hides a block.

    Each view hides `share` of the blocks' spans of `span` steps, and no span is hidden in both.
    """
    batch, steps, count, _ = blocks.shape
    drawn = torch.rand(batch, -(-steps // span), count, device=blocks.device)
    shown = torch.stack([drawn >= share, drawn < 1 - share])
    return shown.repeat_interleave(span, dim=2)[:, :, :steps, :, None]


def as_one(both: Output, weight: float) -> Output:
    """Two views of a batch, one after the other, as one output: the second is a further head.

    `weight` is that of the divergence between them.
    """
    first, second = both.log_probs.chunk(2)
    lengths = both.lengths[: len(first)]
    heads = [Head(second, lengths, 1.0)]
    for head in both.auxiliary:
        pairs = zip(head.log_probs.chunk(2), head.lengths.chunk(2), strict=True)
        heads += [Head(view, own, head.weight) for view, own in pairs]
    return Output(first, lengths, tuple(heads), weight * divergence(first, second, lengths))


def divergence(first: Tensor, second: Tensor, lengths: Tensor) -> Tensor:
    """[B] symmetric Kullback-Leibler divergence, the mean over each sequence's own steps."""
    each = ((first.exp() - second.exp()) * (first - second)).sum(dim=-1) / 2  # (B, T')
    mask = frame_mask(lengths, each.shape[1])
    return (each * mask).sum(dim=1) / lengths
