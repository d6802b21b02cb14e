"""What MediaPipe finds in a frame is kept in few bytes; here without MediaPipe."""

from types import SimpleNamespace

import numpy as np
import pytest

from slr_accel.video.holistic import _values
from slr_accel.video.landmarks import STORED_LAYOUT


def found(name: str, count: int) -> SimpleNamespace:
    points = [
        SimpleNamespace(x=i + 0.1, y=i + 0.2, z=i + 0.3, visibility=0.5) for i in range(count)
    ]
    return SimpleNamespace(**{f"{name}_landmarks": SimpleNamespace(landmark=points)})


@pytest.mark.parametrize("block", STORED_LAYOUT.blocks, ids=lambda block: block.name)
def test_a_blocks_values_are_float32_in_the_order_of_its_columns(block):
    values = _values(found(block.name, len(block.points)), block)
    assert isinstance(values, np.ndarray)
    assert values.dtype == np.float32
    last = len(block.points) - 1
    expected = [last + 0.1, last + 0.2, last + 0.3, 0.5][: len(block.axes)]
    np.testing.assert_allclose(values[-len(block.axes) :], expected, rtol=1e-6)


def test_what_was_not_found_is_none():
    block = STORED_LAYOUT.block("face")
    assert _values(SimpleNamespace(face_landmarks=None), block) is None


def test_another_number_of_points_is_refused():
    with pytest.raises(ValueError, match="478 face points, not 468"):
        _values(found("face", 478), STORED_LAYOUT.block("face"))
