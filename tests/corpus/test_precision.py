"""The storage dtype is the smallest whose rounding loses nothing that matters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.corpus.precision import TOLERANCE, DtypeChooser
from slr_accel.layouts.layout import Block, Layout, generic_layout

SHOULDERS = ("pose.left_shoulder", "pose.right_shoulder")
BODY = Layout(
    (
        Block("pose", ("left_shoulder", "right_shoulder"), ("x", "y", "confidence")),
        Block("hand", ("wrist",), ("x", "y")),
    ),
    origin=SHOULDERS,
    scale=SHOULDERS,
)


def dtype_of(layout: Layout, *sequences: np.ndarray, presence: np.ndarray | None = None) -> str:
    survey = DtypeChooser(layout)
    for features in sequences:
        present = np.ones((len(features), len(layout.blocks)), bool)
        survey.add(features.astype(np.float32), present if presence is None else presence)
    return survey.dtype()


@given(
    center=st.floats(-2000, 2000),
    spread=st.floats(1e-4, 1e4),
    whole=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_rounding_stays_under_a_thousandth_of_the_columns_deviation(center, spread, whole, seed):
    random = np.random.default_rng(seed)
    features = random.normal(center, spread, (50, 2)).astype(np.float32)
    if whole:
        features = np.rint(features)
    dtype = dtype_of(generic_layout(2), features)
    stored = features.astype(dtype).astype(np.float64)
    error = np.abs(stored - features).max(axis=0)
    assert (error <= TOLERANCE * features.std(axis=0, dtype=np.float64) * 1.0001).all()


@given(seed=st.integers(0, 2**16), width=st.floats(0.05, 0.5), center=st.floats(0.0, 1.0))
def test_coordinates_are_rounded_by_less_than_a_thousandth_of_shoulder_width(seed, width, center):
    random = np.random.default_rng(seed)
    features = random.normal(center, 1e-5, (20, BODY.columns)).astype(np.float32)
    features[:, BODY.point_columns(SHOULDERS[0], ("x",))] += width
    confidence = BODY.point_columns(SHOULDERS[0], ("confidence",))
    confidence += BODY.point_columns(SHOULDERS[1], ("confidence",))
    features[:, confidence] = 1
    dtype = dtype_of(BODY, features)
    error = np.abs(features.astype(dtype).astype(np.float64) - features).max()
    assert error <= TOLERANCE * width * 1.01


@pytest.mark.parametrize(
    ("layout", "features", "dtype"),
    [
        (generic_layout(3), np.eye(3), "uint8"),
        (generic_layout(1), np.arange(256.0)[:, None], "uint8"),
        (generic_layout(1), np.arange(257.0)[:, None], "float16"),
        (generic_layout(1), np.array([[-1.0], [1.0]]), "float16"),
        (generic_layout(1), np.linspace(0, 1, 50)[:, None], "float16"),
        (generic_layout(1), np.linspace(1000, 1001, 50)[:, None], "float32"),
        (generic_layout(1), np.array([[0.0], [1e6]]), "float32"),
        (generic_layout(2), np.stack([np.arange(9.0), np.full(9, 0.1)], 1), "float32"),
    ],
)
def test_the_smallest_dtype_that_holds_the_values_is_named(layout, features, dtype):
    assert dtype_of(layout, features) == dtype


def test_one_sequence_that_needs_more_decides_for_all():
    ones = np.ones((4, 1))
    assert dtype_of(generic_layout(1), ones) == "uint8"
    assert dtype_of(generic_layout(1), ones, np.array([[0.0], [1.5]]), ones) == "float16"


def test_zeros_of_absent_frames_do_not_make_a_column_seem_to_vary_more():
    features = np.linspace(300, 304, 100)[:, None]
    assert dtype_of(generic_layout(1), features) == "float32"
    features[::2] = 0
    presence = features != 0
    assert dtype_of(generic_layout(1), features, presence=presence) == "float32"


def test_frames_without_shoulders_do_not_count_in_the_unit_of_length():
    features = np.full((40, BODY.columns), 0.3)
    features[:, BODY.point_columns(SHOULDERS[0], ("x",))] = 0.7
    features[:, BODY.slices["hand"]] = np.linspace(0.500, 0.501, 40)[:, None]
    confidence = [*BODY.point_columns(SHOULDERS[0], ("confidence",))]
    confidence += BODY.point_columns(SHOULDERS[1], ("confidence",))
    features[:, confidence] = 1
    presence = np.ones((40, 2), bool)
    assert dtype_of(BODY, features, presence=presence) == "float16"
    features[1:, BODY.slices["pose"]] = 0
    presence[1:, BODY.block_index("pose")] = False
    assert dtype_of(BODY, features, presence=presence) == "float16"
    # Without a shoulder anywhere, the hand's own deviation (0.0003) is the measure.
    features[:, BODY.slices["pose"]] = 0
    presence[:, BODY.block_index("pose")] = False
    assert dtype_of(BODY, features, presence=presence) == "float32"


def body(width: float) -> np.ndarray:
    """[20, D]; 0 is a body that is a single place, as where zeros are taken for detections."""
    features = np.repeat(np.linspace(0.5, 0.6, 20)[:, None], BODY.columns, axis=1)
    features[:, BODY.point_columns(SHOULDERS[0], ("x",))] += width
    for shoulder in SHOULDERS:
        features[:, BODY.point_columns(shoulder, ("confidence",))] = 1
    return features


def test_the_smallest_body_decides_however_many_are_large():
    large = [body(0.35)] * 17
    assert dtype_of(BODY, *large) == "float16"
    assert dtype_of(BODY, *large, body(0.1)) == "float32"
    assert dtype_of(BODY, *large, body(0.0)) == "float16"
