"""Settings of the speech model."""

from __future__ import annotations

from pydantic import PositiveInt

from slr_accel.settings.models.base import ModelSettings, Stride


class SpeechSettings(ModelSettings):
    conv_channels: PositiveInt = 64
    """Channels of both convolutions over time and frequency."""
    kernel_size: PositiveInt = 3
    """Frames, and bins, that a convolution sees at once; odd."""
    output_stride: Stride = 2
    """Input frames per output step."""
    lstm_hidden: PositiveInt = 256
    """Width of each direction of the BiLSTM."""
    lstm_layers: PositiveInt = 2
    """Layers of the BiLSTM."""

    def problems(self) -> list[str]:
        return self.even("kernel_size")
