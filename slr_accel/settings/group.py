"""Holds what all groups of settings have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]


class SettingsGroup(BaseModel):
    """Settings that cannot change, with no unknown names and finite numbers only."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    def problems(self) -> list[str]:
        """Returns a text for each problem between settings, with the way out."""
        return []
