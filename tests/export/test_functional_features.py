"""Features for export have the numbers of training's, for every layout and group."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from models_helpers import LAYOUTS, random_batch

from slr_accel.export.functional_features import FunctionalFeatures
from slr_accel.features.transform import FeatureTransform
from slr_accel.settings.features import FeatureSettings, Group

GROUPS = get_args(Group)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("depth", [True, False])
def test_numbers_are_those_of_the_transform(layout: str, depth: bool) -> None:
    settings = FeatureSettings(groups=GROUPS, depth=depth, exclude_points=("pose.*_eye*",))
    transform = FeatureTransform(LAYOUTS[layout], settings, 30.0)
    torch.manual_seed(0)
    transform.mean.normal_()
    transform.deviation.uniform_(0.5, 2)
    functional = FunctionalFeatures(transform)
    for lengths in ([9, 2, 21, 1], [1], [2, 2]):
        batch = random_batch(LAYOUTS[layout], lengths)
        given = batch.features, batch.presence, batch.lengths
        torch.testing.assert_close(functional(*given), transform(*given), atol=2e-5, rtol=1e-6)
