"""Settings of the feature transform and of augmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeFloat

Group = Literal["position", "velocity", "acceleration", "relative"]
Probability = Annotated[float, Field(ge=0, le=1)]


def _split(value: Any) -> Any:
    """`a,b` from a command line is a list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class FeatureSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    groups: Annotated[tuple[Group, ...], BeforeValidator(_split)] = (
        "position",
        "velocity",
        "relative",
    )
    """What is made of the coordinates: position, velocity, acceleration, relative."""
    blocks: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Blocks of the layout to use; all by default."""
    depth: bool = True
    """Use z where there is one."""


class AugmentationSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    time_stretch: Annotated[float, Field(ge=1)] = 1.25
    """Longest stretch in time; the shortest is its inverse. 1 is off."""
    rotation: NonNegativeFloat = 0.1
    """Largest rotation in the image plane, radians."""
    zoom: Annotated[float, Field(ge=1)] = 1.1
    """Largest factor on x and on y, each drawn by itself; the smallest is its inverse. 1 is off."""
    shift: NonNegativeFloat = 0.0
    """Deviation of a shift of the whole sequence, in units of length (see jitter)."""
    jitter: NonNegativeFloat = 0.01
    """Deviation of noise on every value: in units of the body's length (shoulder width), or of the
    column's train deviation where the layout has none."""
    time_mask: Probability = 0.0
    """Largest share of a sequence that one masked span covers; masked frames are absent."""
    block_dropout: Probability = 0.0
    """Probability that a block is absent for a whole sequence; never the last one."""


