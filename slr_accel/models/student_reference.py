"""The published student, for comparison: encoders, MobileNetV3 blocks over time, BiLSTM, CTC.

It follows the description: on MediaPipe Holistic's 6,516 features (position, velocity, acceleration
and relative), two linear layers each for the positions of the pose, of the hands and of the face,
and for all other features; a stem of 16 channels at half the frame rate; six blocks of
MobileNetV3-Small (Howard et al. 2019, table 2), from the second on at a quarter; a transposed
convolution back to every frame; one BiLSTM. Only the initialisation is that of our other models. Of
14.4 M parameters, 12.6 M are in the last encoder.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.blocks import BiLSTM, MaskedConv, SqueezeExcitation
from slr_accel.models.recogniser import Output, Recogniser, checkpointed, log_probs, make_head
from slr_accel.padding import frame_mask
from slr_accel.settings.models.student_reference import StudentReferenceSettings

ENCODER_CHANNELS = {"pose": 64, "hands": 128, "face": 64, "rest": 128}
STEM_CHANNELS = 16


class _Shape(NamedTuple):
    """The shape of a block: its widths inside and after it, its convolution, and so on."""

    inside: int
    after: int
    kernel_size: int
    stride: int
    squeeze_excitation: bool
    activation: type[nn.Module]


BLOCKS = (
    _Shape(16, 16, 3, 1, True, nn.ReLU),
    _Shape(72, 24, 3, 2, False, nn.ReLU),
    _Shape(88, 24, 3, 1, False, nn.ReLU),
    _Shape(96, 40, 5, 1, True, nn.Hardswish),
    _Shape(240, 40, 5, 1, True, nn.Hardswish),
    _Shape(120, 48, 5, 1, True, nn.Hardswish),
)
REDUCTION = 4
"""Input frames per step after the blocks: the stem and the second block halve."""


class StudentReference(Recogniser):
    settings: StudentReferenceSettings

    def __init__(
        self, features: FeatureTransform, settings: StudentReferenceSettings, num_outputs: int
    ) -> None:
        super().__init__(features, settings, num_outputs)
        width = settings.channels
        self._parts = [
            (_encoder_of(block, group), columns)
            for (block, group), columns in features.columns.group_widths.items()
        ]
        inputs = {
            name: sum(columns for encoder, columns in self._parts if encoder == name)
            for name in ENCODER_CHANNELS
        }
        self.encoders = nn.ModuleDict(
            {
                name: _encoder(columns, ENCODER_CHANNELS[name], settings.dropout)
                for name, columns in inputs.items()
                if columns
            }
        )
        encoded = sum(ENCODER_CHANNELS[name] for name in self.encoders)
        self.stem = MaskedConv(encoded, STEM_CHANNELS, 3, stride=2)
        self.stem_norm = MaskedBatchNorm(STEM_CHANNELS)
        before = (STEM_CHANNELS, *(shape.after for shape in BLOCKS))
        self.blocks = nn.ModuleList(map(_Block, before, BLOCKS))
        self.upsampling = nn.ConvTranspose1d(before[-1], width, REDUCTION, REDUCTION)
        self.upsampling_norm = MaskedBatchNorm(width)
        self.projection = MaskedConv(width, width, 3)
        self.projection_norm = MaskedBatchNorm(width)
        self.dropout = nn.Dropout(settings.dropout)
        self.lstm = BiLSTM(width, width, layers=1, dropout=0.0)
        self.head = make_head(2 * width, num_outputs)

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        frames = features.shape[1]
        x = self._encoded(self.features(features, presence, lengths))
        x, steps = self.stem(x, lengths)
        x = functional.hardswish(self.stem_norm(x, steps))
        for block in self.blocks:
            x, steps = block(x, steps)
        # Each step makes four frames of its own, so that padding changes no valid frame.
        x = self.upsampling(x.transpose(1, 2)).transpose(1, 2)[:, :frames]
        x, _ = self.projection(self.upsampling_norm(x, lengths).relu(), lengths)
        x = self.dropout(self.projection_norm(x, lengths).relu())
        x = self.lstm(x, lengths)
        return Output(log_probs(self.head, x), lengths, features=x)

    def _encoded(self, x: Tensor) -> Tensor:
        """Encodes the features without presence, which the description does not have."""
        columns = [columns for _, columns in self._parts]
        parts = x[..., : sum(columns)].split(columns, dim=-1)
        encoded = []
        for name, encoder in self.encoders.items():
            own = [part for part, (of, _) in zip(parts, self._parts, strict=True) if of == name]
            encoded.append(checkpointed(self, encoder, torch.cat(own, dim=-1)))
        return torch.cat(encoded, dim=-1)


def _encoder_of(block: str, group: str) -> str:
    if group != "position":
        return "rest"
    if "hand" in block:
        return "hands"
    return "face" if block == "face" else "pose"


def _encoder(columns: int, channels: int, dropout: float) -> nn.Sequential:
    hidden = (columns + channels) // 2
    return nn.Sequential(
        nn.Linear(columns, hidden),
        nn.LayerNorm(hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, channels),
        nn.LayerNorm(channels),
    )


class _Block(nn.Module):
    """MobileNetV3's block over time with batch norm, [B, T, C] -> [B, ceil(T / stride), C']."""

    def __init__(self, channels: int, shape: _Shape) -> None:
        super().__init__()
        width = shape.inside
        self.widen = nn.Linear(channels, width) if width != channels else None
        self.widen_norm = MaskedBatchNorm(width) if width != channels else None
        self.depthwise = MaskedConv(width, width, shape.kernel_size, shape.stride, groups=width)
        self.depthwise_norm = MaskedBatchNorm(width)
        self.excitation = SqueezeExcitation(width) if shape.squeeze_excitation else None
        self.narrow = nn.Linear(width, shape.after)
        self.narrow_norm = MaskedBatchNorm(shape.after)
        self.activation = shape.activation()
        self.is_residual = shape.stride == 1 and channels == shape.after

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        y = x
        if self.widen is not None and self.widen_norm is not None:
            y = self.activation(self.widen_norm(self.widen(y), lengths))
        y, lengths = self.depthwise(y, lengths)
        y = self.activation(self.depthwise_norm(y, lengths))
        if self.excitation is not None:
            y = self.excitation(y, lengths)
        y = self.narrow_norm(self.narrow(y), lengths)
        return (x + y if self.is_residual else y), lengths


class MaskedBatchNorm(nn.Module):
    """Batch norm (Ioffe and Szegedy 2015) of [B, T, C] over all valid frames, in float32.

    In training, a sequence's output depends on the others of its micro-batch. With several
    processes, evaluation uses the first one's running statistics, so that scores are not exactly
    those of one process.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, C], 0 beyond a sequence's length."""
        valid = frame_mask(lengths, x.shape[1])
        with torch.autocast(x.device.type, enabled=False):
            own = x[valid].float()
            training = self.training and len(own) > 1  # one frame has no deviation
            mean, variance = self.mean.clone(), self.variance.clone()
            normed = functional.batch_norm(
                own, mean, variance, self.weight, self.bias, training=training
            )
            if training:
                # A step that is not finite is skipped, and must not change the statistics.
                self.mean.copy_(torch.where(mean.isfinite(), mean, self.mean))
                self.variance.copy_(torch.where(variance.isfinite(), variance, self.variance))
            return torch.zeros_like(x, dtype=torch.float32).masked_scatter(valid[..., None], normed)


def has_statistics(model: nn.Module) -> bool:
    """Whether training changes buffers of the model, which are those of batch norm."""
    return any(isinstance(module, MaskedBatchNorm) for module in model.modules())
