"""Settings of CoSign."""

from __future__ import annotations

from pydantic import NonNegativeFloat, PositiveInt

from slr_accel.settings.models.base import LandmarkSettings


class CoSignSettings(LandmarkSettings):
    graph_channels: PositiveInt = 64
    """Width of a point in the graphs."""
    graph_blocks: PositiveInt = 3
    """Number of graph convolutions over the points, each with a convolution over time."""
    max_nodes: PositiveInt = 64
    """Landmark blocks with more points are first pooled into this many, with learned weights."""
    pooled_nodes: PositiveInt = 8
    """Weighted means over its points that a landmark block hands on."""
    block_channels: PositiveInt = 128
    """Width that a landmark block hands on, in each stream."""
    channels: PositiveInt = 384
    """Width of each stream after its landmark blocks are joined."""
    kernel_size: PositiveInt = 5
    """Frames that a convolution over time sees at once; odd."""
    consistency_weight: NonNegativeFloat = 4.0
    """Weight of the consistency loss; 0 is off: one view, and nothing is hidden."""

    def problems(self) -> list[str]:
        return self.even("kernel_size")
