"""Labels that were shifted or shuffled show in the lengths of sequences; others do not."""

import numpy as np
import pytest

from slr_accel.diagnosis.label_rules import (
    label_findings,
    length_findings,
    token_findings,
    vocabulary_findings,
)

Rows = tuple[np.ndarray, np.ndarray]


def rows(count: int, seed: int, noise: float = 6) -> Rows:
    random = np.random.default_rng(seed)
    labels = random.integers(1, 8, count)
    return (12 * labels + random.normal(0, noise, count) + 10).astype(int).clip(4), labels


def found(**splits: Rows) -> dict[str, str]:
    return {finding.code: finding.sure for finding in label_findings(splits)}


@pytest.mark.parametrize("seed", range(10))
def test_labels_of_their_sequences_raise_nothing(seed: int) -> None:
    assert found(train=rows(130, seed, noise=15), dev=rows(24, seed + 100, noise=15)) == {}


@pytest.mark.parametrize("shift", [-1, 1, 2])
def test_a_shift_of_rows_is_named(shift: int) -> None:
    frames, labels = rows(130, 1)
    (finding,) = label_findings({"train": (frames, np.roll(labels, shift)), "dev": rows(24, 2)})
    assert finding.code == "labels_shifted"
    where = "later" if shift > 0 else "earlier"
    assert f"shifted by {abs(shift)} row" in finding.problem and where in finding.problem


def test_shuffled_labels_are_the_fault_of_the_data() -> None:
    frames, labels = rows(130, 1)
    labels = np.random.default_rng(0).permutation(labels)
    assert found(train=(frames, labels), dev=rows(40, 2)) == {"labels_shuffled": "likely"}
    assert found(train=(frames, labels)) == {"labels_unrelated": "possible"}


def test_equally_many_labels_say_nothing() -> None:
    frames = np.random.default_rng(0).integers(10, 90, 100)
    assert found(train=(frames, np.ones(100, int))) == {}


def test_words_outside_the_vocabulary() -> None:
    def codes(missing: int) -> list[str]:
        found = token_findings("dev", 100, ["X"] * missing, ["A", "B"])
        return [f"{finding.severity} {finding.code}" for finding in found]

    assert codes(6) == []
    assert codes(20) == ["warning unsayable_words"]
    assert codes(90) == ["error unsayable_words"]


def test_a_vocabulary_of_another_corpus_or_order() -> None:
    def codes(tokens: list[str]) -> list[str]:
        return [finding.code for finding in vocabulary_findings(tokens, {"A", "B", "C"})]

    assert codes(["A", "B", "C"]) == []
    assert codes(["B", "A", "C"]) == ["token_order"]
    assert codes(["A", "B", "X"]) == ["token_map"]


def test_sequences_too_short_for_their_labels() -> None:
    assert not list(length_findings(4, 100, 5))
    (finding,) = length_findings(4, 100, 60)
    assert finding.code == "too_short" and "60 of 100" in finding.problem
