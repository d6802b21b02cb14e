"""Reads two views of a batch, each with other parts hidden, for the consistency loss.

A view hides what the other shows, as in Jiao et al. 2023, "CoSign", ICCV; that two views of one
sequence are pulled together beside CTC also helps without it: Yao et al. 2025, "CR-CTC: consistency
regularization on CTC for improved speech recognition", ICLR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from slr_accel.models.recogniser import Head, Output, Recogniser


def read_views(
    model: Recogniser,
    recognise: Callable[..., Output],
    parts: Sequence[Tensor],
    lengths: Tensor,
    stride: int,
) -> Output:
    """Recognises a batch; in training with a consistency_weight, two views of it.

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
    return _one_after_the_other(both)


def two_views(blocks: Tensor, share: float, span: int) -> Tensor:
    """[2, B, T', blocks, 1] bool for [B, T', blocks, C]: False where a view hides a block.

    Each view hides `share` of the blocks' spans of `span` steps, and no span is hidden in both.
    """
    batch, steps, count, _ = blocks.shape
    drawn = torch.rand(batch, -(-steps // span), count, device=blocks.device)
    shown = torch.stack([drawn >= share, drawn < 1 - share])
    return shown.repeat_interleave(span, dim=2)[:, :, :steps, :, None]


def _one_after_the_other(both: Output) -> Output:
    """Splits the output of two views, stacked along the batch: the second is `second_view`."""
    (first, second), steps = both.log_probs.chunk(2), both.lengths.chunk(2)
    heads = [
        [Head(*view) for view in zip(head.log_probs.chunk(2), head.lengths.chunk(2), strict=True)]
        for head in both.early_heads
    ]
    read = (None, None) if both.features is None else both.features.chunk(2)
    other = Output(second, steps[1], tuple(views[1] for views in heads), features=read[1])
    return Output(first, steps[0], tuple(views[0] for views in heads), other, read[0])
