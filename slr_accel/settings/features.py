"""Settings of the feature transform and of augmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt

from slr_accel.layouts.layout import Layout
from slr_accel.layouts.mirror import mirror_of
from slr_accel.settings.group import Probability, SettingsGroup

Group = Literal["position", "velocity", "acceleration", "relative", "shape", "distances"]


def _split(value: Any) -> Any:
    """`a,b` from a command line is a list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class FeatureSettings(SettingsGroup):
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
    face_points: Literal["all", "reduced"] = "all"
    """Points of MediaPipe's face mesh: all 468, or the 128 of lips, eyes, eyebrows, nose and
    outline."""
    depth: bool = True
    """Use z where there is one."""


class AugmentationSettings(SettingsGroup):
    """Lengths are in units of the body's length (shoulder width); where the layout has none, of the
    mean deviation of the coordinates over the train split."""

    time_stretch: Annotated[float, Field(ge=1)] = 1.3
    """Longest stretch in time; the shortest is its inverse. 1 is off."""
    time_warp: NonNegativeFloat = 0.2
    """Deviation of the logarithm of the local speed, which changes every 12 frames."""
    frame_dropping: Probability = 0.0
    """Probability that a frame is left out; never more than the labels can spare."""
    mirror_probability: Probability = 0.0
    """Mirror a sequence and let left and right change places. Signs that mean left and right, or
    east and west, become each other under their old labels."""
    rotation: NonNegativeFloat = 0.15
    """Deviation of a rotation of the image, radians."""
    zoom: NonNegativeFloat = 0.1
    """Deviation of the logarithm of the factors on x and on y."""
    shear: NonNegativeFloat = 0.05
    """Deviation of the shear of x by y."""
    body_scale: NonNegativeFloat = 0.0
    """Deviation of the logarithm of one more factor on both; where the layout has no scale."""
    body_shift: NonNegativeFloat = 0.0
    """Deviation of a shift of the whole body, in units of length; where the layout has no
    origin."""
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
    """Probability that a block is absent, in half of the cases for a span only; the blocks of the
    layout's origin and scale and the last one left stay."""

    @property
    def is_off(self) -> bool:
        """Nothing would be changed."""
        changes = self.model_dump(exclude={"time_stretch", "time_mask_share"})
        return self.time_stretch == 1 and not any(changes.values())

    def without_effect(self, layout: Layout) -> list[str]:
        """Settings that were given and change nothing in sequences of this layout."""
        given, found = self.model_fields_set, []
        if not any(block.is_planar for block in layout.blocks):
            planar = ("rotation", "zoom", "shear", "block_shift", "block_rotation")
            found += [
                f"{name} has no effect: no block of the layout has x and y"
                for name in planar
                if name in given and getattr(self, name)
            ]
        if "time_mask_share" in given and not self.time_masks:
            found.append("time_mask_share has no effect without --time_masks")
        return found

    def problems_with(self, layout: Layout) -> list[str]:
        """What cannot be done, or changes nothing, in sequences of this layout."""
        found = []
        if self.body_scale and layout.scale:
            found.append("body_scale has no effect: the layout's scale points undo it; set it to 0")
        if self.body_shift and len(layout.origin_axes) == 2:
            found.append("body_shift has no effect: the layout's origin undoes it; set it to 0")
        if not any(block.is_planar for block in layout.blocks):
            given = {"body_scale": self.body_scale, "body_shift": self.body_shift}
            found += [
                f"{name} has no effect: no block of the layout has x and y; set it to 0"
                for name, value in given.items()
                if value
            ]
        if self.mirror_probability:
            try:
                mirror_of(layout)
            except ValueError as error:
                found.append(f"mirror_probability: {error}; set it to 0")
        return found
