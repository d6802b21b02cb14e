"""Settings of the feature transform and of augmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt

from slr_accel.layouts.layout import Layout
from slr_accel.layouts.mirror import mirror_of
from slr_accel.settings.group import Probability, SettingsGroup

Group = Literal["position", "velocity", "acceleration", "relative", "shape", "distances"]


def _split(value: Any) -> Any:
    """Splits the `a,b` of a command line."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class FeatureSettings(SettingsGroup):
    groups: Annotated[tuple[Group, ...], BeforeValidator(_split)] = (
        "position",
        "velocity",
        "relative",
    )
    """Feature groups made of the coordinates, joined by commas: position; velocity; acceleration;
    relative (hands to the wrist, face to the nose, pose to the shoulders); shape (as relative, but
    divided by the block's own size); distances (between a hand's fingertips and wrist, divided by
    its size)."""
    blocks: Names = ()
    """Landmark blocks to use, joined by commas, e.g. left_hand,right_hand; default: all."""
    exclude_points: Names = ()
    """Points to leave out, as BLOCK.POINT with * for anything: pose.*_knee,pose.*_hip."""
    face_points: Literal["all", "reduced"] = "all"
    """Points of MediaPipe's face mesh to use: all 468, or only the 128 of lips, eyes, eyebrows,
    nose and outline, which makes the model smaller."""
    depth: bool = True
    """Use z where the corpus has it."""


class AugmentationSettings(SettingsGroup):
    """Random changes of training sequences.

    The unit of length is the shoulder width, or where the layout names no shoulders, the mean
    standard deviation of the coordinates over the train split.
    """

    time_stretch: Annotated[float, Field(ge=1)] = 1.3
    """Make each sequence slower or faster by a random factor, at most this one; 1 is off."""
    time_warp: NonNegativeFloat = 0.2
    """Standard deviation of the logarithm of the local speed, which changes every 12 frames."""
    frame_dropping: Probability = 0.0
    """Probability that a frame is left out. Sequences keep enough frames for their labels."""
    mirror_probability: Probability = 0.0
    """Probability that a sequence is mirrored, so that left and right change places. Labels stay,
    also where a sign then means another, as with left and right, or east and west."""
    rotation: NonNegativeFloat = 0.15
    """Standard deviation of the angle by which the image is rotated, in radians."""
    zoom: NonNegativeFloat = 0.1
    """Standard deviation of the logarithm of the factors on x and on y."""
    shear: NonNegativeFloat = 0.05
    """Standard deviation of the shear of x by y."""
    body_scale: NonNegativeFloat = 0.0
    """Standard deviation of the logarithm of a factor on both x and y; only for layouts without
    scale points, whose features would undo it."""
    body_shift: NonNegativeFloat = 0.0
    """Standard deviation of a shift of the whole body, in shoulder widths; only for layouts without
    origin points, whose features would undo it."""
    block_shift: NonNegativeFloat = 0.05
    """Standard deviation of a shift of each landmark block but the origin's, in shoulder widths."""
    block_rotation: NonNegativeFloat = 0.1
    """Standard deviation of the angle by which each block but the origin's is rotated about its
    centre, in radians."""
    jitter: NonNegativeFloat = 0.01
    """Standard deviation of noise on every value: in shoulder widths, or for columns that are no
    coordinates, in standard deviations of the column."""
    time_masks: NonNegativeInt = 2
    """Number of spans of frames in a sequence that are hidden; 0 is off."""
    time_mask_share: Probability = 0.1
    """With time_masks: the longest span, as a share of the sequence."""
    block_dropout: Probability = 0.1
    """Probability that a landmark block is hidden, half of the time only for a span of frames. At
    least one block stays, and so do those with the layout's origin and scale points."""

    @property
    def is_off(self) -> bool:
        """Whether no sequence would be changed."""
        changes = self.model_dump(exclude={"time_stretch", "time_mask_share"})
        return self.time_stretch == 1 and not any(changes.values())

    def without_effect(self, layout: Layout) -> list[str]:
        """Returns a text for each setting that was given and changes nothing in this layout."""
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
        """Returns a text for each setting that this layout has no use for."""
        found = []
        if self.body_scale and layout.scale:
            found.append("body_scale has no effect: the layout's scale points undo it; set it to 0")
        if self.body_shift and len(layout.origin_axes) == 2:
            found.append("body_shift has no effect: the layout's origin undoes it; set it to 0")
        if not any(block.is_planar for block in layout.blocks):
            found += [
                f"{name} has no effect: no block of the layout has x and y; set it to 0"
                for name in ("body_scale", "body_shift")
                if getattr(self, name)
            ]
        if self.mirror_probability:
            try:
                mirror_of(layout)
            except ValueError as error:
                found.append(f"mirror_probability: {error}; set it to 0")
        return found
