"""The student: an encoder for each landmark block, MobileNetV3 blocks over time, BiLSTM, CTC."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.blocks import (
    BiLSTM,
    ChannelDropout,
    InvertedResidual,
    Upsampling,
    strides,
)
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
from slr_accel.settings.models.student import StudentSettings


class Student(Recogniser):
    settings: StudentSettings

    def __init__(
        self, features: FeatureTransform, settings: StudentSettings, num_outputs: int
    ) -> None:
        super().__init__(features, settings, num_outputs)
        width, dropout = settings.channels, settings.dropout
        self.input_dropout = ChannelDropout(settings.input_dropout)
        self.encoders = BlockEncoders(
            features, width, settings.encoder_kernel_size, settings.face_kernel_size
        )
        self.encoder_norm = make_norm(settings.normalisation, width)
        self.blocks = nn.ModuleList(
            InvertedResidual(
                width,
                [settings.kernel_size],
                expansion=settings.expansion,
                stride=stride,
                squeeze_excitation=settings.squeeze_excitation,
                normalisation=settings.normalisation,
                dropout=dropout,
            )
            for stride in strides(settings.reduction, settings.conv_blocks)
        )
        self.norm = make_norm(settings.normalisation, width)
        self.dropout = nn.Dropout(dropout)
        self.lstm = BiLSTM(width, settings.lstm_hidden, settings.lstm_layers, dropout)
        self.upsampling = Upsampling(
            2 * settings.lstm_hidden,
            settings.reduction,
            settings.output_stride,
            settings.upsampling,
        )
        self.head = make_head(2 * settings.lstm_hidden, num_outputs)
        self.auxiliary_head = make_head(width, num_outputs) if settings.auxiliary_weight else None

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        x = self.input_dropout(self.features(features, presence, lengths))
        encoded = torch.stack(self.encoders(x), dim=2)  # (B, T, blocks, C)
        return read_views(self, self._recognise, [encoded], lengths, stride=1)

    def _recognise(self, encoded: Tensor, lengths: Tensor) -> Output:
        """From encoded blocks to tokens."""
        frames = lengths
        # The sum of the encoders is one convolution over all blocks.
        x = self.encoder_norm(encoded.sum(dim=2), lengths)
        x = self.dropout(functional.hardswish(x))
        for block in self.blocks:
            x, lengths = checkpointed(self, block, x, lengths)
        x = self.dropout(self.norm(x, lengths))
        early_heads: tuple[Head, ...] = ()
        if self.training and self.auxiliary_head is not None:
            early_heads = (Head(log_probs(self.auxiliary_head, x), lengths),)
        x = self.dropout(self.lstm(x, lengths))
        x, lengths = self.upsampling(x, lengths, frames, encoded.shape[1])
        return Output(log_probs(self.head, x), lengths, early_heads, features=x)
