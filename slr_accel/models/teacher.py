"""The teacher: block encoders, cross-modal attention, inception blocks over time, BiLSTM, CTC."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.attention import CrossModalAttention
from slr_accel.models.blocks import BiLSTM, ChannelDropout, InvertedResidual, pooled, strides
from slr_accel.models.encoders import BlockEncoders
from slr_accel.models.norms import make_norm
from slr_accel.models.recogniser import (
    Head,
    Output,
    Recogniser,
    checkpointed,
    log_probs,
    make_head,
)
from slr_accel.models.two_views import read_views
from slr_accel.settings.models.base import Normalisation
from slr_accel.settings.models.teacher import TeacherSettings

SPANS = (3, 5, 5, 7)
"""Kernel sizes of an inception block, after I3D (Carreira and Zisserman 2017). All of them smooth:
with I3D's branches of one frame and of the maximum over three, the landmarks' noise made the WER on
wlasl50 43 instead of 32 % (25 of 30 epochs)."""
EXPANSION = 2
"""Width inside an inception block, as a multiple of the width outside."""


class Teacher(Recogniser):
    settings: TeacherSettings

    def __init__(
        self, features: FeatureTransform, settings: TeacherSettings, num_outputs: int
    ) -> None:
        super().__init__(features, settings, num_outputs)
        own, width, norm = settings.block_channels, settings.channels, settings.normalisation
        self.input_dropout = ChannelDropout(settings.input_dropout)
        self.encoders = BlockEncoders(
            features, own, settings.encoder_kernel_size, settings.encoder_kernel_size
        )
        self.fusion = Fusion(own, width, norm, settings.dropout)
        each = strides(settings.output_stride, settings.inception_blocks)
        self.inception = nn.ModuleList(
            InvertedResidual(
                width,
                SPANS,
                expansion=EXPANSION,
                stride=stride,
                squeeze_excitation=False,
                normalisation=norm,
                dropout=settings.dropout,
            )
            for stride in each
        )
        self.attention_stride = each[0]
        self.attention = nn.ModuleList(
            CrossModalAttention(
                len(features.columns.blocks),
                own,
                settings.attention_heads,
                span=settings.attention_span,
                dropout=settings.attention_dropout,
                clamp=settings.attention_clamp,
            )
            for _ in range(settings.attention_layers)
        )
        self.attended = (
            Fusion(own, width, norm, settings.dropout) if settings.attention_layers else None
        )
        self.norm = make_norm(norm, width)
        self.dropout = nn.Dropout(settings.dropout)
        self.lstm = BiLSTM(width, settings.lstm_hidden, settings.lstm_layers, settings.dropout)
        self.head = make_head(2 * settings.lstm_hidden, num_outputs)
        self.auxiliary_head = make_head(width, num_outputs) if settings.auxiliary_weight else None

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        x = self.input_dropout(self.features(features, presence, lengths))
        encoded = torch.stack(self.encoders(x), dim=2)  # (B, T, blocks, C)
        return read_views(self, self._recognise, [encoded], lengths, stride=1)

    def _recognise(self, encoded: Tensor, lengths: Tensor) -> Output:
        """From encoded blocks to tokens."""
        first, *rest = self.inception
        x, steps = checkpointed(self, first, self.fusion(encoded, lengths), lengths)
        if self.attended is not None:
            # At half the frame rate attention costs half and spans more time.
            flat = pooled(encoded.flatten(2), lengths, self.attention_stride)
            blocks = flat.unflatten(2, encoded.shape[2:])
            for attention in self.attention:
                blocks = checkpointed(self, attention, blocks, steps)
            x = x + self.dropout(self.attended(blocks, steps))
        lengths = steps
        for inception in rest:
            x, lengths = checkpointed(self, inception, x, lengths)
        x = self.dropout(self.norm(x, lengths))
        early_heads: tuple[Head, ...] = ()
        if self.training and self.auxiliary_head is not None:
            early_heads = (Head(log_probs(self.auxiliary_head, x), lengths),)
        x = self.dropout(self.lstm(x, lengths))
        return Output(log_probs(self.head, x), lengths, early_heads, features=x)


class Fusion(nn.Module):
    """Joins the blocks: [B, T, N, C] -> [B, T, C']."""

    def __init__(
        self, block_channels: int, channels: int, normalisation: Normalisation, dropout: float
    ) -> None:
        super().__init__()
        self.norm = make_norm(normalisation, block_channels)
        self.dropout = nn.Dropout(dropout)
        self.out = (
            nn.Identity() if block_channels == channels else nn.Linear(block_channels, channels)
        )

    def forward(self, blocks: Tensor, lengths: Tensor) -> Tensor:
        x = functional.hardswish(self.norm(blocks.sum(dim=2), lengths))
        return self.out(self.dropout(x))
