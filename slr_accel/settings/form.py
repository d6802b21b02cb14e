"""What every group of settings is: complete, fixed, and of finite numbers."""

from pydantic import ConfigDict

FORM = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
