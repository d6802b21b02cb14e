"""Settings of decoding: from log-probabilities to hypotheses."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from slr_accel.settings.form import FORM


class DecodingSettings(BaseModel):
    model_config = FORM

    decoder: Literal["greedy"] = "greedy"
    """greedy: the best token of each output step, repeats merged, blanks removed."""
