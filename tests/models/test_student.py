"""Settings of the student that cannot work are refused."""

from __future__ import annotations

import pytest
from models_helpers import LAYOUTS

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.build import make_model
from slr_accel.settings.features import FeatureSettings
from slr_accel.settings.models.student import StudentSettings


def test_too_few_blocks_for_a_reduction_are_refused() -> None:
    (problem,) = StudentSettings(reduction=4, conv_blocks=1).problems()
    assert "needs at least 2 conv_blocks" in problem


def test_an_output_slower_than_the_recurrent_part_is_refused() -> None:
    (problem,) = StudentSettings(reduction=2, output_stride=4).problems()
    assert "output_stride 4 is more than the reduction 2" in problem


def test_a_block_without_features_is_refused_by_name() -> None:
    features = FeatureTransform(LAYOUTS["tracks"], FeatureSettings(exclude_points=("face.*",)), 25)
    with pytest.raises(ValueError, match=r"no features of face.*--blocks"):
        make_model("student", features, StudentSettings(), 7)
