"""Settings of the teacher."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from slr_accel.settings.models.base import Dropout, LandmarkSettings, Normalisation


class TeacherSettings(LandmarkSettings):
    block_channels: PositiveInt = 192
    """Width of each landmark block's encoder and of attention."""
    channels: PositiveInt = 384
    """Width of the inception blocks; even."""
    encoder_kernel_size: PositiveInt = 3
    """Frames that the encoder of a landmark block sees at once; odd."""
    attention_layers: NonNegativeInt = 1
    """Layers of attention between the landmark blocks; 0 is off. They work at half the frame rate,
    with output_stride 1 at all of it."""
    attention_span: NonNegativeInt = 2
    """Steps before and after its own at which a block looks at the other blocks."""
    attention_heads: PositiveInt = 4
    """Heads of an attention layer."""
    attention_dropout: Dropout = 0.1
    """Dropout of the attention weights."""
    attention_clamp: NonNegativeFloat = 10.0
    """Largest size of a value that attention adds; 0 is off."""
    inception_blocks: PositiveInt = 4
    """Number of inception blocks over time."""
    normalisation: Normalisation = "frame"
    """Normalise each frame by itself, or groups of channels over the whole sequence."""

    def problems(self) -> list[str]:
        found = self.even("encoder_kernel_size")
        if self.block_channels % self.attention_heads:
            found.append(
                f"block_channels {self.block_channels} cannot be split into attention_heads "
                f"{self.attention_heads}"
            )
        found += self.ungrouped(self.normalisation, "channels", "block_channels")
        found += self.too_few_blocks("output_stride", "inception_blocks")
        if self.channels % 2:
            found.append(f"channels is {self.channels}; it must be even")
        return found

    def without_effect(self, block_names: Iterable[str]) -> list[str]:
        attention = {name for name in self.model_fields_set if name.startswith("attention_")}
        found = super().without_effect(block_names)
        return found + self.unused("attention_layers", attention - {"attention_layers"})
