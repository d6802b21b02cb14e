"""Settings of a model that were given for nothing."""

from __future__ import annotations

from collections.abc import Sequence

from slr_accel.settings.models import (
    CoSignSettings,
    ModelSettings,
    StudentSettings,
    TeacherSettings,
)


def without_effect(settings: ModelSettings, block_names: Sequence[str]) -> list[str]:
    """Settings that were given and change nothing in this combination.

    Args:
        block_names: of the blocks that features are made of.
    """
    given, found = settings.model_fields_set, []
    if "face_kernel_size" in given and "face" not in block_names:
        found.append("face_kernel_size has no effect: there is no block named face")
    if isinstance(settings, StudentSettings) and not settings.conv_blocks:
        names = given & {"kernel_size", "expansion", "squeeze_excitation"}
        found += [f"{name} has no effect without --conv_blocks" for name in sorted(names)]
    if (
        isinstance(settings, StudentSettings | TeacherSettings | CoSignSettings)
        and not settings.consistency_weight
    ):
        names = given & {"mask_share", "mask_frames"}
        found += [f"{name} has no effect without --consistency_weight" for name in sorted(names)]
    if isinstance(settings, TeacherSettings) and not settings.attention_layers:
        names = {name for name in given if name.startswith("attention_")} - {"attention_layers"}
        found += [f"{name} has no effect without --attention_layers" for name in sorted(names)]
    if (
        isinstance(settings, StudentSettings)
        and settings.output_stride == settings.reduction
        and "upsampling" in given
    ):
        found.append("upsampling has no effect where output_stride is the reduction")
    return found
