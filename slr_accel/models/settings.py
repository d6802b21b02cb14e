"""Settings of the models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeFloat, PositiveInt

Dropout = Annotated[float, Field(ge=0, lt=1)]


def _as_number(value: Any) -> Any:
    """`2` from a command line is 2."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


class StudentSettings(BaseModel):
    """MobileNetV3 blocks over time, BiLSTM, CTC."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    channels: PositiveInt = 192
    """Width of the frame encoder and of the convolutions."""
    conv_blocks: int = Field(2, ge=0)
    """Inverted residual blocks over time."""
    encoder_kernel_size: PositiveInt = 3
    """Frames the frame encoder sees; odd."""
    kernel_size: PositiveInt = 5
    """Frames a block's convolution sees; odd."""
    expansion: PositiveInt = 2
    """Width inside an inverted residual block over its outside."""
    squeeze_excitation: bool = False
    """Let a block weigh its channels by the whole sequence."""
    output_stride: Annotated[Literal[1, 2, 4], BeforeValidator(_as_number)] = 2
    """Input frames an output step."""
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
    gradient_checkpointing: bool = False
    """Recompute the convolutions in backward: less memory, more time."""

    def problems(self) -> list[str]:
        """What does not fit together, each with the way out."""
        found = [
            f"{name} is {getattr(self, name)}; it must be odd, e.g. {getattr(self, name) + 1}"
            for name in ("kernel_size", "encoder_kernel_size")
            if getattr(self, name) % 2 == 0
        ]
        halvings = self.output_stride.bit_length() - 1
        if self.conv_blocks < halvings:
            found.append(
                f"output_stride {self.output_stride} needs at least {halvings} conv_blocks, "
                f"not {self.conv_blocks}"
            )
        return found
