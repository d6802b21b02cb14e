"""Model settings that have no effect or do not fit together are named."""

from __future__ import annotations

import pytest

from slr_accel.settings.models.base import ModelSettings
from slr_accel.settings.models.cosign import CoSignSettings
from slr_accel.settings.models.speech import SpeechSettings
from slr_accel.settings.models.student import StudentSettings
from slr_accel.settings.models.teacher import TeacherSettings


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (StudentSettings(mask_share=0.3, mask_frames=8), ["mask_frames", "mask_share"]),
        (StudentSettings(mask_share=0.3, consistency_weight=4), []),
        (CoSignSettings(mask_frames=8, consistency_weight=0), ["mask_frames"]),
        (CoSignSettings(mask_frames=8), []),
        (StudentSettings(upsampling="transposed"), ["upsampling"]),
        (StudentSettings(upsampling="transposed", output_stride=2), []),
        (
            TeacherSettings(attention_layers=0, attention_span=3, attention_heads=2),
            ["attention_heads", "attention_span"],
        ),
        (TeacherSettings(attention_span=3), []),
        (SpeechSettings(dropout=0.1), []),
        (StudentSettings(conv_blocks=0, reduction=1, output_stride=1, expansion=4), ["expansion"]),
        (StudentSettings(face_kernel_size=5), ["face_kernel_size"]),
    ],
)
def test_what_was_given_and_changes_nothing_is_named(
    settings: ModelSettings, names: list[str]
) -> None:
    assert [text.partition(" ")[0] for text in settings.without_effect(["pose"])] == names


@pytest.mark.parametrize(
    ("settings", "stride"),
    [
        (StudentSettings(output_stride=1), 1),
        (StudentSettings(output_stride=1, auxiliary_weight=0.5), 4),
        (StudentSettings(output_stride=2, reduction=2, auxiliary_weight=0.5), 2),
        (TeacherSettings(output_stride=2), 2),
    ],
)
def test_labels_are_aligned_with_the_steps_of_an_early_head_too(
    settings: ModelSettings, stride: int
) -> None:
    assert settings.alignment_stride == stride


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (StudentSettings(reduction=4, conv_blocks=1), "needs at least 2 conv_blocks"),
        (
            StudentSettings(reduction=2, output_stride=4),
            "output_stride 4 is more than the reduction 2",
        ),
    ],
)
def test_what_cannot_work_together_is_refused(settings: ModelSettings, problem: str) -> None:
    (found,) = settings.problems()
    assert problem in found
