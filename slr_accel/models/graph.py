"""Convolutions over the graph of a landmark block's points, each with one over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.layouts.skeleton import BONES
from slr_accel.models.blocks import MaskedConv, pooled
from slr_accel.settings.models.cosign import CoSignSettings


class PointGraph(nn.Module):
    """What one block shows, [B, T, F] -> [B, T', block_channels].

    Every point is a node that enters with its own features and whether the block is present. A
    block of more than `max_nodes` points (a face) is pooled into that many nodes first. In the end
    some weighted means over the nodes are handed on.

    Args:
        points: {name: columns of the features}, equally many for each.
        presence: column of the block's presence.
    """

    columns: Tensor

    def __init__(
        self, points: dict[str, list[int]], presence: int, settings: CoSignSettings
    ) -> None:
        super().__init__()
        columns = torch.tensor([[*own, presence] for own in points.values()])
        self.register_buffer("columns", columns, persistent=False)
        nodes, width = min(len(points), settings.max_nodes), settings.graph_channels
        edges = adjacency(tuple(points))
        self.pool = None
        if nodes < len(points):
            self.pool = nn.Linear(len(points), nodes, bias=False)
            edges = torch.zeros(nodes, nodes)
        # The first halving comes before the graphs, so that they have half the steps.
        early, late = min(settings.output_stride, 2), max(settings.output_stride // 2, 1)
        self.embedding = MaskedConv(columns.shape[1], width, settings.kernel_size, early)
        self.identity = nn.Parameter(torch.randn(nodes, 1, width) / 2)
        self.blocks = nn.ModuleList(
            GraphBlock(
                edges,
                width,
                settings.kernel_size,
                stride=1 if i else late,
                dropout=settings.dropout,
            )
            for i in range(settings.graph_blocks)
        )
        self.means = nn.Linear(nodes, settings.pooled_nodes, bias=False)
        self.out = nn.Linear(settings.pooled_nodes * width, settings.block_channels)
        self.norm = nn.LayerNorm(settings.block_channels)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        x = x[..., self.columns]  # (B, T, P, F / P)
        if self.pool is not None:
            x = self.pool(x.transpose(2, 3)).transpose(2, 3)
        x, lengths = over_time(self.embedding, x.transpose(1, 2), lengths)  # (B, P, T / 2, C)
        x = x + self.identity
        for block in self.blocks:
            x, lengths = block(x, lengths)
        x = self.means(x.permute(0, 2, 3, 1)).flatten(2)  # (B, T', C * means)
        return functional.hardswish(self.norm(self.out(x)))


class GraphBlock(nn.Module):
    """Convolves over the graph, then over time: [B, P, T, C] -> [B, P, ceil(T / stride), C].

    ST-GCN (Yan et al. 2018, arXiv:1801.07455) with one matrix for a point itself and one for the
    mean of its neighbours, and a learned adjacency added to the skeleton's (Shi et al. 2019,
    arXiv:1805.07694). Normalisation is per point and frame.
    """

    edges: Tensor

    def __init__(
        self, edges: Tensor, channels: int, kernel_size: int, *, stride: int, dropout: float
    ) -> None:
        super().__init__()
        self.register_buffer("edges", edges, persistent=False)
        self.learned = nn.Parameter(torch.zeros_like(edges))
        self.norm = nn.LayerNorm(channels)
        self.own = nn.Linear(channels, channels)
        self.neighbours = nn.Linear(channels, channels)
        self.time = MaskedConv(channels, channels, kernel_size, stride)
        self.dropout = nn.Dropout(dropout)
        self.stride = stride

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        y = self.norm(x)
        reached = torch.einsum("qp,bptc->bqtc", self.edges + self.learned, self.neighbours(y))
        y, new_lengths = over_time(self.time, functional.relu(self.own(y) + reached), lengths)
        x = pooled(x.flatten(0, 1), lengths.repeat_interleave(x.shape[1]), self.stride).view_as(y)
        # A point's channel is dropped for the whole sequence, so that none is relied on alone.
        kept = self.dropout(y.new_ones(*y.shape[:2], 1, y.shape[3]))
        return x + y * kept, new_lengths


def over_time(conv: MaskedConv, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Convolves each point over time: [B, P, T, C] -> [B, P, ceil(T / stride), C']."""
    y, new_lengths = conv(x.flatten(0, 1), lengths.repeat_interleave(x.shape[1]))
    return y.unflatten(0, x.shape[:2]), new_lengths.unflatten(0, x.shape[:2])[:, 0]


def adjacency(points: tuple[str, ...]) -> Tensor:
    """Returns [P, P], where row p has the weights of the neighbours of point p in the skeleton.

    All weights of points that are in no skeleton are 0.
    """
    joined = torch.tensor([[float(frozenset((p, q)) in BONES) for q in points] for p in points])
    return joined / joined.sum(dim=1, keepdim=True).clamp(min=1)
