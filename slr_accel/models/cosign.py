"""CoSign: graph convolutions over the points of each block, in two streams, BiLSTM, CTC.

After Jiao et al. 2023, "CoSign: exploring co-occurrence signals in skeleton-based continuous sign
language recognition", ICCV: a graph network for each block, a stream of positions and a stream of
motion, and complementary regularisation. Unlike there, the streams are joined after their
convolutions and not layer by layer, each has a CTC head of its own, and time is reduced inside the
graphs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.blocks import BiLSTM, ChannelDropout, MaskedConv, output_lengths
from slr_accel.models.graph import PointGraph
from slr_accel.models.recogniser import (
    Head,
    Output,
    Recogniser,
    checkpointed,
    log_probs,
    make_head,
)
from slr_accel.models.two_views import read_views
from slr_accel.settings.models.cosign import CoSignSettings

POSITIONS = ("position", "relative", "shape")
"""Feature groups of the position stream."""
MOTION = ("velocity", "acceleration")
"""Feature groups of the motion stream."""


class CoSign(Recogniser):
    settings: CoSignSettings

    def __init__(
        self, features: FeatureTransform, settings: CoSignSettings, num_outputs: int
    ) -> None:
        super().__init__(features, settings, num_outputs)
        width = settings.channels
        self.input_dropout = ChannelDropout(settings.input_dropout)
        self.position = BlockGraphs(features, POSITIONS, settings)
        self.motion = BlockGraphs(features, MOTION, settings)
        self.position_conv = StreamConv(len(self.position.graphs), settings)
        self.motion_conv = StreamConv(len(self.motion.graphs), settings)
        self.dropout = nn.Dropout(settings.dropout)
        self.lstm = BiLSTM(2 * width, settings.lstm_hidden, settings.lstm_layers, settings.dropout)
        self.head = make_head(2 * settings.lstm_hidden, num_outputs)
        self.position_head = make_head(width, num_outputs) if settings.auxiliary_weight else None
        self.motion_head = make_head(width, num_outputs) if settings.auxiliary_weight else None

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        x = self.input_dropout(self.features(features, presence, lengths))
        position = checkpointed(self, self.position, x, lengths)  # (B, T', blocks, C)
        motion = checkpointed(self, self.motion, x, lengths)
        steps = output_lengths(lengths, self.output_stride)
        return read_views(self, self._recognise, [position, motion], steps, self.output_stride)

    def _recognise(self, position: Tensor, motion: Tensor, lengths: Tensor) -> Output:
        """From blocks to tokens."""
        position = self.position_conv(position, lengths)
        motion = self.motion_conv(motion, lengths)
        early_heads: tuple[Head, ...] = ()
        if self.training and self.position_head is not None and self.motion_head is not None:
            early_heads = (
                Head(log_probs(self.position_head, position), lengths),
                Head(log_probs(self.motion_head, motion), lengths),
            )
        x = self.dropout(self.lstm(torch.cat([position, motion], dim=-1), lengths))
        return Output(log_probs(self.head, x), lengths, early_heads, features=x)


class BlockGraphs(nn.Module):
    """The graphs of one stream: [B, T, F] -> [B, T', blocks, block_channels].

    Raises:
        ValueError: a block has none of the stream's feature groups, or `distances` is among them.
    """

    def __init__(
        self, features: FeatureTransform, groups: tuple[str, ...], settings: CoSignSettings
    ) -> None:
        super().__init__()
        chosen = ", ".join(features.settings.groups)
        if "distances" in features.settings.groups:
            raise ValueError(
                f"groups is {chosen}; the model cosign cannot use distances, which belong to pairs "
                "of points: leave them out"
            )
        points = {
            block.name: features.columns.of_points(block, groups)
            for block in features.columns.blocks
        }
        without = [name for name, own in points.items() if not all(own.values())]
        if without:
            raise ValueError(
                f"groups is {chosen}; the model cosign needs one of {', '.join(groups)} for each "
                f"block, and there is none for {', '.join(without)}: add {groups[0]}"
            )
        self.graphs = nn.ModuleList(
            PointGraph(points[block.name], features.columns.presence(block), settings)
            for block in features.columns.blocks
            if points[block.name]
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return torch.stack([graph(x, lengths) for graph in self.graphs], dim=2)


class StreamConv(nn.Module):
    """Joins the blocks of a stream, over time: [B, T', blocks, block_channels] -> [B, T', C]."""

    def __init__(self, blocks: int, settings: CoSignSettings) -> None:
        super().__init__()
        self.conv = MaskedConv(
            blocks * settings.block_channels, settings.channels, settings.kernel_size
        )
        self.norm = nn.LayerNorm(settings.channels)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, blocks: Tensor, lengths: Tensor) -> Tensor:
        x, _ = self.conv(self.dropout(blocks.flatten(2)), lengths)
        return self.dropout(functional.hardswish(self.norm(x)))
