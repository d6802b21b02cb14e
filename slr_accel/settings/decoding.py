"""Settings of decoding: from log-probabilities to hypotheses."""

from __future__ import annotations

from typing import Literal

from slr_accel.settings.group import SettingsGroup


class DecodingSettings(SettingsGroup):
    decoder: Literal["greedy"] = "greedy"
    """greedy: the best token of each output step, repeats merged, blanks removed."""
