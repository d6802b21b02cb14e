"""Points are nodes, and each stream needs a feature group of its own."""

from __future__ import annotations

import pytest
import torch
from models_helpers import LAYOUTS, SMALL, make, random_batch, run

from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.named_layouts import HAND_POINTS
from slr_accel.models.build import make_model
from slr_accel.models.graph import adjacency
from slr_accel.settings.features import FeatureSettings
from slr_accel.settings.models.cosign import CoSignSettings


def test_a_finger_reaches_its_neighbours_and_nothing_else() -> None:
    edges = adjacency(HAND_POINTS)
    reached = {HAND_POINTS[i] for i in edges[HAND_POINTS.index("index_pip")].nonzero()[:, 0]}
    assert reached == {"index_mcp", "index_dip"}
    torch.testing.assert_close(edges.sum(dim=1), torch.ones(21))


def test_points_of_an_unknown_skeleton_have_no_edges() -> None:
    assert not adjacency(("0", "1", "wrist")).any()


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (("position", "shape"), "none for pose, left_hand, right_hand: add velocity"),
        (("velocity",), "one of position, relative, shape for .*: add position"),
        (("position", "velocity", "distances"), "distances.*: leave them out"),
    ],
)
def test_groups_that_do_not_serve_both_streams_are_refused(groups, said) -> None:
    with pytest.raises(ValueError, match=said):
        make("cosign", LAYOUTS["pose and hands"], groups=groups)


def test_a_block_without_points_is_left_out() -> None:
    transform = FeatureTransform(
        LAYOUTS["holistic"], FeatureSettings(exclude_points=("face.*",)), 25.0
    )
    model = make_model("cosign", transform, CoSignSettings(**SMALL["cosign"]), 7).eval()
    batch = random_batch(LAYOUTS["holistic"], [9])
    changed = batch.features.clone()
    changed[..., LAYOUTS["holistic"].slices["face"]] += 1
    assert torch.equal(
        run(model, batch).log_probs,
        model(changed, batch.presence, batch.lengths).log_probs,
    )
