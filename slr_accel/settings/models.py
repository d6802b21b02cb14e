"""Settings of the models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
)

from slr_accel.settings.form import FORM, MayChange

Dropout = Annotated[float, Field(ge=0, lt=1)]
MaskShare = Annotated[float, Field(gt=0, le=0.5)]


def _as_number(value: Any) -> Any:
    """`2` from a command line is 2."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


Normalisation = Literal["frame", "sequence"]
SEQUENCE_GROUPS = 8
"""Groups of channels that normalisation `sequence` has."""
Stride = Annotated[Literal[1, 2, 4], BeforeValidator(_as_number)]


class StudentSettings(BaseModel):
    """MobileNetV3 blocks over time, BiLSTM, CTC."""

    model_config = FORM

    channels: PositiveInt = 192
    """Width of the frame encoder and of the convolutions."""
    conv_blocks: NonNegativeInt = 2
    """Inverted residual blocks over time."""
    encoder_kernel_size: PositiveInt = 3
    """Frames a block's encoder sees; odd."""
    face_kernel_size: PositiveInt = 1
    """Frames the face's encoder sees; odd. Of MediaPipe Holistic's values, the face has most."""
    kernel_size: PositiveInt = 5
    """Frames a block's convolution sees; odd."""
    expansion: PositiveInt = 2
    """Width inside an inverted residual block over its outside."""
    squeeze_excitation: bool = False
    """Let a block weigh its channels by the whole sequence."""
    normalisation: Normalisation = "frame"
    """Of each frame by itself, or of groups of channels over the whole sequence."""
    reduction: Stride = 4
    """Input frames a step of the recurrent part."""
    output_stride: Stride = 4
    """Input frames an output step; fewer than a recurrent step has are made by upsampling."""
    upsampling: Literal["interpolate", "transposed"] = "interpolate"
    """From recurrent to output steps: linear interpolation, or a transposed convolution."""
    lstm_hidden: PositiveInt = 192
    """Width of each direction of the BiLSTM."""
    lstm_layers: PositiveInt = 2
    """Layers of the BiLSTM."""
    dropout: Dropout = 0.3
    """After the frame encoder, in the blocks, between and after the LSTM layers."""
    input_dropout: Dropout = 0.0
    """On feature channels, for a whole sequence at a time."""
    auxiliary_weight: NonNegativeFloat = 0.0
    """Weight of a second CTC loss on the convolutional features, in training only; 0 is off."""
    consistency_weight: NonNegativeFloat = 0.0
    """Weight of the divergence between two views with different blocks hidden, in training only; 0
    is off. Training takes about 1.4 times as long."""
    mask_share: MaskShare = 0.2
    """Share of blocks and spans hidden in each view; none in both."""
    mask_frames: PositiveInt = 24
    """Frames of such a span."""
    gradient_checkpointing: MayChange[bool] = False
    """Recompute the convolutions in backward: less memory, more time."""

    def problems(self) -> list[str]:
        """What does not fit together, each with the way out."""
        found = _even_kernels(self, "kernel_size", "encoder_kernel_size", "face_kernel_size")
        found += _ungrouped(self, "channels")
        found += _too_few_blocks(self, "reduction", "conv_blocks")
        if self.output_stride > self.reduction:
            found.append(
                f"output_stride {self.output_stride} is more than the reduction {self.reduction}"
            )
        return found


class StudentReferenceSettings(BaseModel):
    """The published student taken literally; its blocks' widths are part of the description."""

    model_config = FORM

    channels: PositiveInt = 128
    """Width before the BiLSTM and of each of its directions."""
    output_stride: Annotated[Literal[1], BeforeValidator(_as_number)] = 1
    """Input frames an output step."""
    dropout: Dropout = 0.3
    """In the encoders and before the BiLSTM."""
    gradient_checkpointing: MayChange[bool] = False
    """Recompute the encoders in backward: less memory, more time."""


class TeacherSettings(BaseModel):
    """Block encoders, cross-modal attention, inception blocks over time, BiLSTM, CTC."""

    model_config = FORM

    block_channels: PositiveInt = 192
    """Width of each landmark block's encoder and of attention."""
    channels: PositiveInt = 384
    """Width of the inception blocks."""
    encoder_kernel_size: PositiveInt = 3
    """Frames a block's encoder sees; odd."""
    attention_layers: NonNegativeInt = 1
    """Layers of attention between the blocks, at half the frame rate (all of it at output_stride
    1)."""
    attention_span: NonNegativeInt = 2
    """Steps before and after its own that a block looks at in the others."""
    attention_heads: PositiveInt = 4
    """Heads of each."""
    attention_dropout: Dropout = 0.1
    """On the attention weights."""
    attention_clamp: NonNegativeFloat = 10.0
    """What attention adds is clamped to this size; 0 is off."""
    inception_blocks: PositiveInt = 4
    """Inception blocks over time."""
    normalisation: Normalisation = "frame"
    """Of each frame by itself, or of groups of channels over the whole sequence."""
    output_stride: Stride = 4
    """Input frames an output step."""
    lstm_hidden: PositiveInt = 384
    """Width of each direction of the BiLSTM."""
    lstm_layers: PositiveInt = 2
    """Layers of the BiLSTM."""
    dropout: Dropout = 0.3
    """After the fusion, in the inception blocks, between and after the LSTM layers."""
    input_dropout: Dropout = 0.0
    """On feature channels, for a whole sequence at a time."""
    auxiliary_weight: NonNegativeFloat = 0.5
    """Weight of a second CTC loss on the convolutional features, in training only; 0 is off."""
    consistency_weight: NonNegativeFloat = 0.0
    """Weight of the divergence between two views with different blocks hidden, in training only; 0
    is off."""
    mask_share: MaskShare = 0.2
    """Share of blocks and spans hidden in each view; none in both."""
    mask_frames: PositiveInt = 24
    """Frames of such a span."""
    gradient_checkpointing: MayChange[bool] = False
    """Recompute attention and inception blocks in backward: less memory, more time."""

    def problems(self) -> list[str]:
        """What does not fit together, each with the way out."""
        found = _even_kernels(self, "encoder_kernel_size")
        if self.block_channels % self.attention_heads:
            found.append(
                f"block_channels {self.block_channels} cannot be split into attention_heads "
                f"{self.attention_heads}"
            )
        found += _ungrouped(self, "channels", "block_channels")
        found += _too_few_blocks(self, "output_stride", "inception_blocks")
        if self.channels % 2:
            found.append(f"channels is {self.channels}; it must be even")
        return found


class CoSignSettings(BaseModel):
    """Graph convolutions over the points of each block, in two streams, BiLSTM, CTC."""

    model_config = FORM

    graph_channels: PositiveInt = 64
    """Width of a point in the graphs."""
    graph_blocks: PositiveInt = 3
    """Graph convolutions over the points, each with a convolution over time."""
    max_nodes: PositiveInt = 64
    """A block of more points is first pooled into that many, with learned weights."""
    pooled_nodes: PositiveInt = 8
    """Weighted means over its points that a block hands on."""
    block_channels: PositiveInt = 128
    """Width of what a block hands on, in each stream."""
    channels: PositiveInt = 384
    """Width of each stream after the blocks are joined."""
    kernel_size: PositiveInt = 5
    """Frames a convolution sees; odd."""
    output_stride: Stride = 4
    """Input frames an output step."""
    lstm_hidden: PositiveInt = 384
    """Width of each direction of the BiLSTM."""
    lstm_layers: PositiveInt = 2
    """Layers of the BiLSTM."""
    dropout: Dropout = 0.3
    """In the graphs, around each stream's convolution, between and after the LSTM layers."""
    input_dropout: Dropout = 0.0
    """On feature channels, for a whole sequence at a time."""
    auxiliary_weight: NonNegativeFloat = 0.5
    """Weight of the CTC loss of each stream alone, in training only; 0 is off."""
    consistency_weight: NonNegativeFloat = 4.0
    """Weight of the divergence between two views with different blocks hidden, in training only;
    0 is off: one view, nothing hidden."""
    mask_share: MaskShare = 0.2
    """Share of blocks and spans hidden in each view; none in both."""
    mask_frames: PositiveInt = 24
    """Frames of such a span."""
    gradient_checkpointing: MayChange[bool] = False
    """Recompute the graphs in backward: less memory, more time."""

    def problems(self) -> list[str]:
        """What does not fit together, each with the way out."""
        return _even_kernels(self, "kernel_size")


class SpeechSettings(BaseModel):
    """Two 2-D convolutions, BiLSTM, CTC."""

    model_config = FORM

    conv_channels: PositiveInt = 64
    """Channels of both convolutions over time and frequency."""
    kernel_size: PositiveInt = 3
    """Frames and bins a convolution sees; odd."""
    output_stride: Stride = 2
    """Input frames an output step."""
    lstm_hidden: PositiveInt = 256
    """Width of each direction of the BiLSTM."""
    lstm_layers: PositiveInt = 2
    """Layers of the BiLSTM."""
    dropout: Dropout = 0.3
    """Before, between and after the LSTM layers."""
    gradient_checkpointing: MayChange[bool] = False
    """Recompute the convolutions in backward: less memory, more time."""

    def problems(self) -> list[str]:
        """What does not fit together, each with the way out."""
        return _even_kernels(self, "kernel_size")


def _ungrouped(settings: StudentSettings | TeacherSettings, *names: str) -> list[str]:
    if settings.normalisation == "frame":
        return []
    return [
        f"{name} {getattr(settings, name)} cannot be split into the {SEQUENCE_GROUPS} groups of "
        "normalisation sequence"
        for name in names
        if getattr(settings, name) % SEQUENCE_GROUPS
    ]


def _too_few_blocks(settings: BaseModel, stride: str, blocks: str) -> list[str]:
    reduction, count = getattr(settings, stride), getattr(settings, blocks)
    halvings = reduction.bit_length() - 1
    if count >= halvings:
        return []
    return [f"{stride} {reduction} needs at least {halvings} {blocks}, not {count}"]


def _even_kernels(settings: BaseModel, *names: str) -> list[str]:
    return [
        f"{name} is {getattr(settings, name)}; it must be odd, e.g. {getattr(settings, name) + 1}"
        for name in names
        if getattr(settings, name) % 2 == 0
    ]


ModelSettings = (
    StudentSettings | StudentReferenceSettings | TeacherSettings | CoSignSettings | SpeechSettings
)
MODELS: dict[str, type[ModelSettings]] = {
    "student": StudentSettings,
    "student_reference": StudentReferenceSettings,
    "teacher": TeacherSettings,
    "cosign": CoSignSettings,
    "speech": SpeechSettings,
}
"""The settings of each model by its name; models/build.py knows the classes."""
ModelName = Literal["student", "student_reference", "teacher", "cosign", "speech"]
DEFAULT_MODEL: ModelName = "student"


def alignment_stride(settings: ModelSettings) -> int:
    """Input frames a step of the coarsest output that training aligns labels with."""
    if isinstance(settings, StudentSettings) and settings.auxiliary_weight:
        return settings.reduction  # the early head comes before the upsampling
    return settings.output_stride
