"""Where the body is and how large."""

from __future__ import annotations

import torch

from slr_accel.features.body import SMALLEST_SHARE, BodyFrame
from slr_accel.layouts.layout import Block, Layout

SHOULDERS = Layout(
    (Block("pose", ("left", "right"), ("x", "y")),), scale=("pose.left", "pose.right")
)


def test_a_body_seen_from_the_side_in_a_frame_keeps_a_share_of_the_sequences_size() -> None:
    widths = torch.tensor([2.0, 2.0, 0.0, 4.0])
    values = torch.zeros(1, 4, 4)
    values[0, :, 2] = widths
    frames, mean = BodyFrame(SHOULDERS).scale(values, torch.ones(1, 4, 1, dtype=torch.bool))
    assert mean.tolist() == [2.0]
    torch.testing.assert_close(frames[0], torch.tensor([2.0, 2.0, SMALLEST_SHARE * 2.0, 4.0]))
    assert frames[0, 2] > 0.5
