"""Blocks attend to the others at nearby steps, and never to padding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from slr_accel.models.attention import CrossModalAttention

LENGTHS = torch.tensor([12, 7])


def attention(blocks: int = 3, *, clamp: float = 0.0) -> CrossModalAttention:
    torch.manual_seed(0)
    return CrossModalAttention(blocks, 8, 2, span=2, dropout=0.0, clamp=clamp)


def added(layer: CrossModalAttention, blocks: Tensor) -> Tensor:
    """[B, T, N]: size of what attention adds."""
    return (layer(blocks, LENGTHS) - blocks).norm(dim=-1)


@pytest.mark.parametrize("place", [0, 5, 11])
def test_a_step_is_seen_by_the_other_blocks_near_it_and_by_nobody_else(place: int) -> None:
    layer, blocks = attention(), torch.randn(2, 12, 3, 8)
    changed = blocks.clone()
    changed[0, place, 1] += torch.randn(8)
    seen = (added(layer, changed) - added(layer, blocks)).abs() > 1e-6
    expected = torch.zeros_like(seen)
    expected[0, max(place - 2, 0) : place + 3, [0, 2]] = True
    expected[0, place, 1] = True  # its own question has changed
    assert torch.equal(seen, expected)


def test_padding_is_not_looked_at() -> None:
    layer, blocks = attention(), torch.randn(2, 12, 3, 8)
    changed = blocks.clone()
    changed[1, 7:] = 1e3
    torch.testing.assert_close(layer(changed, LENGTHS)[1, :7], layer(blocks, LENGTHS)[1, :7])


def test_a_block_without_others_looks_at_itself() -> None:
    layer, blocks = attention(1), torch.randn(2, 12, 1, 8)
    assert (added(layer, blocks) > 0).all()


def test_what_is_added_is_clamped() -> None:
    layer, blocks = attention(clamp=0.01), torch.randn(2, 12, 3, 8)
    change = (layer(blocks, LENGTHS) - blocks).abs().max()
    assert 0 < change <= 0.01 + 1e-6
