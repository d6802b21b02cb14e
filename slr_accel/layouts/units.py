"""Says in which units coordinates are, and whether two corpora or models agree in them."""

from __future__ import annotations

from slr_accel.layouts.layout import Layout

HEIGHT = "the frame's height"
"""x, y and z have one unit: a body has one shape in landscape and in portrait."""
FRACTION = "fraction of the frame's width and height"
"""x is divided by the width and y by the height, so that the frame's shape changes the body's."""
UNKNOWN = "unknown"


def have_other_units(one: Layout, other: Layout) -> bool:
    """Whether two layouts of the same blocks measure in units that do not agree.

    Units of one length for x and y agree where the layout names a scale, by which all is divided;
    fractions of width and height do not. A unit that is not known agrees with all.
    """
    if UNKNOWN in (one.units, other.units) or one.units == other.units:
        return False
    if not any(block.is_planar for block in one.blocks):
        return False
    return FRACTION in (one.units, other.units) or not one.scale or one.scale != other.scale
