"""Features that differ between splits are found; signers who differ are not."""

from dataclasses import replace

import numpy as np

from slr_accel.diagnosis.feature_rules import BlockComparison, feature_findings

ALIKE = BlockComparison("left_hand", "position", 0.2, 1.1, 0.4, 0.0, 0.0, 0.1, 0.2, True)


def codes(block: BlockComparison, base: dict[str, np.ndarray] | None = None) -> list[str]:
    return [finding.code for finding in feature_findings("dev", [block], base or {})]


def places(first: float, second: float) -> dict[str, np.ndarray]:
    """Two blocks whose train values lie at 0 and 5, and those of dev at `first` and `second`."""
    return {
        name: np.stack([np.full(4, usual), np.ones(4), np.full(4, seen)])
        for name, usual, seen in (("left_hand", 0.0, first), ("right_hand", 5.0, second))
    }


def test_splits_that_are_alike_raise_nothing() -> None:
    assert codes(ALIKE, places(0.3, 4.6)) == []


def test_blocks_at_each_others_place_are_swapped_and_nothing_else_is_said() -> None:
    assert codes(replace(ALIKE, shift=5), places(4.8, 0.1)) == ["blocks_swapped"]


def test_a_whole_body_elsewhere_is_not_swapped() -> None:
    assert codes(ALIKE, places(5, 10)) == []


def test_another_scale_or_offset_is_an_error() -> None:
    assert codes(replace(ALIKE, shift=8)) == ["features_differ"]
    assert codes(replace(ALIKE, spread=20)) == ["features_differ"]
    assert codes(replace(ALIKE, spread=0.05)) == ["features_differ"]


def test_a_drift_as_among_the_signers_of_train_is_none() -> None:
    assert codes(replace(ALIKE, shift=2.5, signer_shift=1.5)) == []


def test_a_block_that_one_split_lacks_is_an_error() -> None:
    assert codes(replace(ALIKE, absent=1.0)) == ["absence_differs"]
    assert codes(replace(ALIKE, absent=1.0, absent_train=0.8)) == []


def test_clamped_and_constant_features_are_found() -> None:
    assert codes(replace(ALIKE, clamped_train=0.3)) == ["features_clamped"]
    assert codes(replace(ALIKE, varies=False)) == ["constant_features"]


def test_one_block_that_varies_is_enough() -> None:
    still = replace(ALIKE, block="face", varies=False)
    assert not list(feature_findings("dev", [ALIKE, still], {}))
