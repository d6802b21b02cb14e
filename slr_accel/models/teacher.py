"""The teacher: block encoders, cross-modal attention, inception blocks over time, BiLSTM, CTC."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.attention import CrossModalAttention
from slr_accel.models.blocks import BiLSTM, ChannelDropout, MaskedConv
from slr_accel.models.encoders import BlockEncoders
from slr_accel.models.inception import Inception
from slr_accel.models.recogniser import (
    Head,
    Output,
    Recogniser,
    checkpointed,
    log_probs,
    make_head,
)
from slr_accel.models.settings import TeacherSettings


class Teacher(Recogniser):
    settings: TeacherSettings

    def __init__(
        self, features: FeatureTransform, settings: TeacherSettings, num_outputs: int
    ) -> None:
        super().__init__(features, settings, num_outputs)
        own, width = settings.block_channels, settings.channels
        # The first halving comes before attention, whose cost grows with the square of the steps.
        early, late = (2 if settings.output_stride > 1 else 1), max(settings.output_stride // 2, 1)
        self.input_dropout = ChannelDropout(settings.input_dropout)
        kernel_size = settings.encoder_kernel_size
        self.encoders = BlockEncoders(features, own, kernel_size, kernel_size)
        self.encoder_norms = nn.ModuleList(nn.LayerNorm(own) for _ in features.columns.blocks)
        self.reductions = nn.ModuleList(
            MaskedConv(own, own, 3, stride=early) for _ in features.columns.blocks
        )
        self.attention = nn.ModuleList(
            CrossModalAttention(
                own,
                settings.attention_heads,
                dropout=settings.attention_dropout,
                clamp=settings.attention_clamp,
            )
            for _ in range(settings.attention_layers)
        )
        self.fusion = MaskedConv(own * len(features.columns.blocks), width, 3, stride=late)
        self.inception = nn.ModuleList(
            Inception(width, groups=settings.norm_groups, dropout=settings.dropout)
            for _ in range(settings.inception_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(settings.dropout)
        self.lstm = BiLSTM(width, settings.lstm_hidden, settings.lstm_layers, settings.dropout)
        self.head = make_head(2 * settings.lstm_hidden, num_outputs)
        self.auxiliary_head = make_head(width, num_outputs) if settings.auxiliary_weight else None

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        x = self.input_dropout(self.features(features, presence, lengths))
        encoded = zip(self.encoders(x), self.encoder_norms, self.reductions, strict=True)
        reduced = [
            reduce(functional.hardswish(norm(block)), lengths) for block, norm, reduce in encoded
        ]
        blocks, lengths = [block for block, _ in reduced], reduced[0][1]
        for attention in self.attention:
            blocks = checkpointed(self, attention, blocks, lengths)
        x, lengths = self.fusion(self.dropout(torch.cat(blocks, dim=-1)), lengths)
        for inception in self.inception:
            x = checkpointed(self, inception, x, lengths)
        x = self.dropout(self.norm(x))
        auxiliary: tuple[Head, ...] = ()
        if self.training and self.auxiliary_head is not None:
            early = log_probs(self.auxiliary_head, x)
            auxiliary = (Head(early, lengths, self.settings.auxiliary_weight),)
        x = self.dropout(self.lstm(x, lengths))
        return Output(log_probs(self.head, x), lengths, auxiliary)
