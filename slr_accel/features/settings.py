"""Settings of the feature transform and of augmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

Group = Literal["position", "velocity", "acceleration", "relative", "shape", "distances"]
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
    """What is made of the coordinates: position, velocity, acceleration; relative (hands to the
    wrist, face to the nose, pose to the shoulders); shape (relative, in units of the block's own
    size), distances (between fingertips and wrist, likewise)."""
    blocks: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Blocks of the layout to use; all by default."""
    exclude_points: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Points left out, as BLOCK.POINT with * for anything: pose.*_knee,pose.*_hip."""
    depth: bool = True
    """Use z where there is one."""


class AugmentationSettings(BaseModel):
    """Lengths are in units of the body's length (shoulder width); where the layout has none, of the
    mean deviation of the coordinates over the train split."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    time_stretch: Annotated[float, Field(ge=1)] = 1.3
    """Longest stretch in time; the shortest is its inverse. 1 is off."""
    time_warp: NonNegativeFloat = 0.2
    """Deviation of the logarithm of the local speed, which changes about twice a second."""
    rotation: NonNegativeFloat = 0.15
    """Deviation of a rotation of the image, radians."""
    zoom: NonNegativeFloat = 0.1
    """Deviation of the logarithm of the factors on x and on y."""
    shear: NonNegativeFloat = 0.05
    """Deviation of the shear of x by y."""
    block_shift: NonNegativeFloat = 0.05
    """Deviation of a shift of each block but the origin's, in units of length."""
    block_rotation: NonNegativeFloat = 0.1
    """Deviation of a rotation of each block but the origin's, about its centre, radians."""
    jitter: NonNegativeFloat = 0.01
    """Deviation of noise on every value: in units of length, or of a generic column's train
    deviation."""
    time_masks: NonNegativeInt = 2
    """Spans of frames made absent in a sequence."""
    time_mask_share: Probability = 0.1
    """Longest such span, as a share of the sequence."""
    block_dropout: Probability = 0.1
    """Probability that a block is absent, in half of the cases for a span only; the origin's block
    and the last one left stay."""
