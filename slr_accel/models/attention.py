"""Cross-modal attention: each landmark block asks the others what they show, over time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.features.frames import frame_mask

XAVIER_GAIN = 0.5
"""Small weights at first: attention starts near to adding nothing."""


class CrossModalAttention(nn.Module):
    """Blocks [B, T, C] each -> the same, with what the other blocks show added to each.

    Pre-norm multi-head attention (Vaswani et al. 2017) whose queries are a block's steps, and whose
    keys and values are all steps of the other blocks (of its own where there is only one); steps
    beyond a sequence's length are never looked at. What attention adds is clamped to `clamp`, 0 is
    off: a landmark far off does not drown the rest.
    """

    def __init__(self, channels: int, heads: int, *, dropout: float, clamp: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.clamp = clamp
        self.norm = nn.LayerNorm(channels)
        self.query, self.key, self.value, self.out = (
            _xavier(nn.Linear(channels, channels)) for _ in range(4)
        )

    def forward(self, blocks: list[Tensor], lengths: Tensor) -> list[Tensor]:
        steps = blocks[0].shape[1]
        normed = [self.norm(block) for block in blocks]
        timed = [block + _time_signal(block) for block in normed]
        allowed = frame_mask(lengths, steps)[:, None, None, :]  # (B, heads, queries, keys)
        fused = []
        for i, block in enumerate(blocks):
            others = [j for j in range(len(blocks)) if j != i] or [i]
            attended = functional.scaled_dot_product_attention(
                self._split(self.query(timed[i])),
                self._split(self.key(torch.cat([timed[j] for j in others], dim=1))),
                self._split(self.value(torch.cat([normed[j] for j in others], dim=1))),
                attn_mask=allowed.repeat(1, 1, 1, len(others)),
                dropout_p=self.dropout if self.training else 0.0,
            )
            # (B, heads, T, C / heads) -> (B, T, C)
            added = self.out(attended.transpose(1, 2).flatten(2))
            fused.append(block + (added.clamp(-self.clamp, self.clamp) if self.clamp else added))
        return fused

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _xavier(linear: nn.Linear) -> nn.Linear:
    nn.init.xavier_uniform_(linear.weight, gain=XAVIER_GAIN)
    nn.init.zeros_(linear.bias)
    return linear


def _time_signal(x: Tensor) -> Tensor:
    """[T, C] sines and cosines of the step (Vaswani et al. 2017): what is near can be found."""
    steps, channels = x.shape[1:]
    rates = torch.exp(
        torch.arange(0, channels, 2, device=x.device) * (-math.log(10_000.0) / channels)
    )
    angle = torch.arange(steps, device=x.device)[:, None] * rates
    signal = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :channels]
    return signal.to(x.dtype)
