"""Settings of the published student, whose blocks' widths are part of its description."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, PositiveInt

from slr_accel.settings.models.base import ModelSettings, as_number


class StudentReferenceSettings(ModelSettings):
    channels: PositiveInt = 128
    """Width before the BiLSTM and of each of its directions."""
    output_stride: Annotated[Literal[1], BeforeValidator(as_number)] = 1
    """Input frames per output step; the description has 1."""
