"""Holds what all groups of settings have in common."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

T = TypeVar("T")
MAY_CHANGE = "may change"
MayChange = Annotated[T, MAY_CHANGE]
"""The type of a setting that may have another value when a run is continued."""
REPEATED = "repeated"
"""Marks a setting whose option may be given several times on the command line."""
Probability = Annotated[float, Field(ge=0, le=1)]


class SettingsGroup(BaseModel):
    """Settings that cannot change, with no unknown names and finite numbers only."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    def problems(self) -> list[str]:
        """Returns a text for each problem between settings, with the way out."""
        return []


def may_change(field: FieldInfo) -> bool:
    """Whether the setting may have another value when a run is continued."""
    return MAY_CHANGE in field.metadata
