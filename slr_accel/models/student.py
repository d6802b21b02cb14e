"""The student: a frame encoder a block, MobileNetV3 blocks over time, BiLSTM, CTC."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.blocks import BiLSTM, ChannelDropout, InvertedResidual, MaskedConv
from slr_accel.models.settings import StudentSettings


class Output(NamedTuple):
    """What every model returns."""

    log_probs: Tensor
    """[B, T', V] float32."""
    lengths: Tensor
    """[B] int64 valid output steps."""
    auxiliary_log_probs: Tensor | None = None
    """[B, T', V] float32 of a second head, in training only."""


class Student(nn.Module):
    """[B, T, base values] -> CTC log-probabilities at 1 / output_stride of the frame rate.

    Every sequence's output is the same alone or padded in a batch.
    """

    def __init__(
        self, features: FeatureTransform, settings: StudentSettings, num_outputs: int
    ) -> None:
        super().__init__()
        self.features = features
        self.settings = settings
        width, dropout = settings.channels, settings.dropout
        self.input_dropout = ChannelDropout(settings.input_dropout)
        self.encoder = MaskedConv(features.num_features, width, settings.encoder_kernel_size)
        self.encoder_norm = nn.LayerNorm(width)
        strides = _strides(settings.output_stride, settings.conv_blocks)
        self.blocks = nn.ModuleList(
            InvertedResidual(
                width,
                settings.kernel_size,
                expansion=settings.expansion,
                stride=stride,
                squeeze_excitation=settings.squeeze_excitation,
                dropout=dropout,
            )
            for stride in strides
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.lstm = BiLSTM(width, settings.lstm_hidden, settings.lstm_layers, dropout)
        self.head = _head(2 * settings.lstm_hidden, num_outputs)
        self.auxiliary_head = _head(width, num_outputs) if settings.auxiliary_weight else None

    @property
    def output_stride(self) -> int:
        return self.settings.output_stride

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        """Log-probabilities of glosses.

        Args:
            features: [B, T, base values] as the corpus stores them.
            presence: [B, T, blocks] bool.
            lengths: [B] int64 frames, each at least 1.
        """
        x = self.input_dropout(self.features(features, presence, lengths))
        x, lengths = self.encoder(x, lengths)
        x = self.dropout(functional.hardswish(self.encoder_norm(x)))
        for block in self.blocks:
            x, lengths = self._run(block, x, lengths)
        x = self.dropout(self.norm(x))
        auxiliary = None
        if self.training and self.auxiliary_head is not None:
            auxiliary = _log_probs(self.auxiliary_head, x)
        x = self.dropout(self.lstm(x, lengths))
        return Output(_log_probs(self.head, x), lengths, auxiliary)

    def _run(self, block: nn.Module, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if self.settings.gradient_checkpointing and self.training:
            return checkpoint(block, x, lengths, use_reentrant=False)
        return block(x, lengths)


def _strides(output_stride: int, num_blocks: int) -> list[int]:
    """Halvings come in the first blocks, where they save most."""
    halvings = output_stride.bit_length() - 1
    assert halvings <= num_blocks, "StudentSettings.problems() refuses this"
    return [2] * halvings + [1] * (num_blocks - halvings)


def _head(channels: int, num_outputs: int) -> nn.Linear:
    head = nn.Linear(channels, num_outputs)
    nn.init.xavier_uniform_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _log_probs(head: nn.Linear, x: Tensor) -> Tensor:
    # Half precision loses the tail that CTC sums over.
    with torch.autocast(x.device.type, enabled=False):
        return head(x.float()).log_softmax(dim=-1)
