"""States what all groups of settings share: their form, and the mark of what may change later."""

from typing import Annotated, TypeVar

from pydantic import ConfigDict
from pydantic.fields import FieldInfo

FORM = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

T = TypeVar("T")
MAY_CHANGE = "may change"
MayChange = Annotated[T, MAY_CHANGE]
"""The type of a setting that may have another value when a run is continued."""


def may_change(field: FieldInfo) -> bool:
    """Whether the setting may have another value when a run is continued."""
    return MAY_CHANGE in field.metadata
