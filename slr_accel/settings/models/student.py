"""Settings of the student."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from slr_accel.settings.models.base import LandmarkSettings, Normalisation, Stride


class StudentSettings(LandmarkSettings):
    channels: PositiveInt = 192
    """Width of the frame encoder and of the convolutions."""
    conv_blocks: NonNegativeInt = 2
    """Number of inverted residual blocks over time."""
    encoder_kernel_size: PositiveInt = 3
    """Frames that the encoder of a landmark block sees at once; odd."""
    face_kernel_size: PositiveInt = 1
    """Frames that the encoder of the face sees at once; odd. It is small because most values of
    MediaPipe Holistic are the face's."""
    kernel_size: PositiveInt = 5
    """Frames that a convolution over time sees at once; odd."""
    expansion: PositiveInt = 2
    """An inverted residual block is this many times wider inside than outside."""
    squeeze_excitation: bool = False
    """Let each inverted residual block weigh its channels by their means over the sequence."""
    normalisation: Normalisation = "frame"
    """Normalise each frame by itself, or groups of channels over the whole sequence."""
    reduction: Stride = 4
    """Input frames per step of the LSTM."""
    output_stride: Stride = 4
    """Input frames per output step, at most `reduction`; where it is less, the LSTM's steps are
    upsampled. With fewer frames, short glosses can be aligned, and training takes longer."""
    upsampling: Literal["interpolate", "transposed"] = "interpolate"
    """From the LSTM's steps to output steps: linear interpolation or a transposed convolution."""
    lstm_hidden: PositiveInt = 192
    """Width of each direction of the BiLSTM."""
    auxiliary_weight: NonNegativeFloat = 0.0
    """Weight of a second CTC loss, on the features before the LSTM; only in training, 0 is off."""

    @property
    def alignment_stride(self) -> int:
        # The auxiliary head comes before the upsampling.
        return self.reduction if self.auxiliary_weight else self.output_stride

    def problems(self) -> list[str]:
        found = self.even("kernel_size", "encoder_kernel_size", "face_kernel_size")
        found += self.ungrouped(self.normalisation, "channels")
        found += self.too_few_blocks("reduction", "conv_blocks")
        if self.output_stride > self.reduction:
            found.append(
                f"output_stride {self.output_stride} is more than the reduction {self.reduction}"
            )
        return found

    def without_effect(self, block_names: Iterable[str]) -> list[str]:
        found = super().without_effect(block_names)
        found += self.unused("conv_blocks", ["kernel_size", "expansion", "squeeze_excitation"])
        given = self.model_fields_set
        if "face_kernel_size" in given and "face" not in block_names:
            found.append("face_kernel_size has no effect: there is no block named face")
        if "upsampling" in given and self.output_stride == self.reduction:
            found.append("upsampling has no effect where output_stride is the reduction")
        return found
