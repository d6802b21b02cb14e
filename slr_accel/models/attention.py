"""Cross-modal attention: each landmark block attends to the others at nearby steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from slr_accel.padding import frame_mask

XAVIER_GAIN = 0.5
"""Weights are small at first, so that attention adds almost nothing."""


class CrossModalAttention(nn.Module):
    """Adds to each block what attention finds in the others, [B, T, N, C] -> [B, T, N, C].

    Pre-norm multi-head attention (Vaswani et al. 2017). A step of a block attends to the steps of
    the other blocks (of its own where there is only one) that are at most `span` steps away, with
    a learned weight for each distance, and never to padding. What attention adds is clamped to
    `clamp` (0 is off), so that an outlier among the landmarks does not hide the rest.
    """

    others: Tensor

    def __init__(
        self, blocks: int, channels: int, heads: int, *, span: int, dropout: float, clamp: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.span = span
        self.dropout = nn.Dropout(dropout)
        self.clamp = clamp
        self.norm = nn.LayerNorm(channels)
        self.query, self.key, self.value, self.out = (
            _xavier(nn.Linear(channels, channels)) for _ in range(4)
        )
        self.nearness = nn.Parameter(torch.zeros(heads, 1, 1, 2 * span + 1))
        others = ~torch.eye(blocks, dtype=torch.bool) if blocks > 1 else torch.ones(1, 1).bool()
        self.register_buffer("others", others, persistent=False)

    def forward(self, blocks: Tensor, lengths: Tensor) -> Tensor:
        normed = self.norm(blocks)
        query = self._split(self.query(normed)) / math.sqrt(blocks.shape[-1] / self.heads)
        key = _near(self._split(self.key(normed)), self.span)
        value = _near(self._split(self.value(normed)), self.span)
        scores = torch.einsum("btnhd,btmhdw->bthnmw", query, key) + self.nearness
        scores = scores.masked_fill(~self._allowed(lengths, blocks.shape[1]), -torch.inf)
        weights = self.dropout(scores.flatten(-2).softmax(dim=-1)).view_as(scores)
        attended = torch.einsum("bthnmw,btmhdw->btnhd", weights, value).flatten(-2)
        added = self.out(attended)
        return blocks + (added.clamp(-self.clamp, self.clamp) if self.clamp else added)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1))  # (B, T, N, heads, C / heads)

    def _allowed(self, lengths: Tensor, steps: int) -> Tensor:
        """Returns [B, T, 1, N, N, W] bool: what each step may attend to."""
        valid = _near(frame_mask(lengths, steps), self.span)  # (B, T, W)
        # Padding attends to its own step: with nothing to attend to, softmax would be NaN.
        own_step = torch.arange(valid.shape[-1], device=lengths.device) == self.span
        return (valid | own_step)[:, :, None, None, None] & self.others[:, :, None]


def _near(x: Tensor, span: int) -> Tensor:
    """Gathers the steps around each step, [B, T, ...] -> [B, T, ..., W]; 0 beyond both ends."""
    edge = x.new_zeros(x.shape[0], span, *x.shape[2:])
    return torch.cat([edge, x, edge], dim=1).unfold(1, 2 * span + 1, 1)


def _xavier(linear: nn.Linear) -> nn.Linear:
    nn.init.xavier_uniform_(linear.weight, gain=XAVIER_GAIN)
    nn.init.zeros_(linear.bias)
    return linear
