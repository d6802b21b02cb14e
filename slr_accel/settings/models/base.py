"""Settings that every model has, and the checks that models share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveInt

from slr_accel.settings.group import MayChange, SettingsGroup

Dropout = Annotated[float, Field(ge=0, lt=1)]
Normalisation = Literal["frame", "sequence"]
SEQUENCE_GROUPS = 8
"""Groups of channels that normalisation `sequence` uses."""


def as_number(value: Any) -> Any:
    """Turns the `2` of a command line into a number."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


Stride = Annotated[Literal[1, 2, 4], BeforeValidator(as_number)]


class ModelSettings(SettingsGroup):
    """Settings that every model has; each model adds its own in a subclass."""

    output_stride: Stride = 4
    """Input frames per output step. With fewer frames, short glosses can be aligned, and training
    takes longer."""
    dropout: Dropout = 0.3
    """Dropout in the encoders, in the convolutions and around the LSTM layers. Raise it where the
    train loss falls and the dev loss does not."""
    gradient_checkpointing: MayChange[bool] = False
    """Recompute encoders and convolutions in the backward pass: needs less memory and more time."""

    @property
    def alignment_stride(self) -> int:
        """Input frames per step of the coarsest output that labels are aligned with in training."""
        return self.output_stride

    def without_effect(self, block_names: Iterable[str]) -> list[str]:
        """Returns a text for each setting that was given and changes nothing beside the others.

        Args:
            block_names: the landmark blocks that features are made of.
        """
        return []

    def unused(self, switch: str, names: Iterable[str]) -> list[str]:
        """Returns a text for each of `names` that was given although `switch` is 0."""
        given = sorted(self.model_fields_set & set(names)) if not getattr(self, switch) else []
        return [f"{name} has no effect without --{switch}" for name in given]

    def even(self, *names: str) -> list[str]:
        """Returns a text for each kernel size that is even: only odd kernels have a middle."""
        return [
            f"{name} is {size}; it must be odd, e.g. {size + 1}"
            for name in names
            if (size := getattr(self, name)) % 2 == 0
        ]

    def ungrouped(self, normalisation: Normalisation, *names: str) -> list[str]:
        """Returns a text for each width that normalisation `sequence` cannot split."""
        return [
            f"{name} {getattr(self, name)} cannot be split into the {SEQUENCE_GROUPS} groups of "
            "normalisation sequence"
            for name in names
            if normalisation == "sequence" and getattr(self, name) % SEQUENCE_GROUPS
        ]

    def too_few_blocks(self, stride: str, blocks: str) -> list[str]:
        """Returns a text where there are fewer blocks than halvings of the frame rate."""
        reduction, count = getattr(self, stride), getattr(self, blocks)
        halvings = reduction.bit_length() - 1
        if count >= halvings:
            return []
        return [f"{stride} {reduction} needs at least {halvings} {blocks}, not {count}"]


class LandmarkSettings(ModelSettings):
    """Settings of models that read landmark blocks and can be trained on two views of them."""

    lstm_hidden: PositiveInt = 384
    """Width of each direction of the BiLSTM."""
    lstm_layers: PositiveInt = 2
    """Layers of the BiLSTM."""
    input_dropout: Dropout = 0.0
    """Dropout of feature channels, each for a whole sequence."""
    auxiliary_weight: NonNegativeFloat = 0.5
    """Weight of further CTC losses, on the features before the LSTM (cosign: on each stream alone);
    only in training, 0 is off."""
    consistency_weight: NonNegativeFloat = 0.0
    """Weight of the consistency loss: the divergence between the outputs for two views of each
    sequence, in which different blocks are hidden. Only in training, which then takes about 1.4
    times as long; 0 is off."""
    mask_share: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    """With consistency_weight: share of blocks and spans that a view hides. The two views never
    hide the same one."""
    mask_frames: PositiveInt = 24
    """With consistency_weight: frames in a hidden span."""

    def without_effect(self, block_names: Iterable[str]) -> list[str]:
        return self.unused("consistency_weight", ["mask_share", "mask_frames"])
