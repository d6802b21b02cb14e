"""Intervals and paired tests are as wide as few sentences make them."""

import numpy as np
import pytest

from slr_accel.scoring.bootstrap import paired_test, wer_ci95
from slr_accel.scoring.wer import Counts


def test_interval_is_the_same_for_the_same_seed_and_holds_the_rate():
    counts = [Counts(correct=10 - n % 4, substitutions=n % 4) for n in range(80)]
    low, high = wer_ci95(counts, seed=3)
    assert (low, high) == wer_ci95(counts, seed=3)
    assert low < sum(counts, Counts()).wer < high


def test_interval_has_the_width_that_the_normal_approximation_gives():
    rng = np.random.default_rng(0)
    errors = rng.binomial(10, 0.3, size=400)
    low, high = wer_ci95([Counts(correct=10 - int(e), substitutions=int(e)) for e in errors])
    expected = 2 * 1.96 * errors.std() / 10 / np.sqrt(len(errors))
    assert high - low == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("sentence", "repeats"),
    [(Counts(correct=5), 2), (Counts(correct=3, substitutions=1), 20), (Counts(deletions=5), 2)],
)
def test_interval_of_equal_sentences_is_that_of_their_words(sentence, repeats):
    """A bootstrap of equal sentences would be a point: 0 to 0 % of ten words. Wilson's limits are
    the rates whose own normal approximation just reaches what was counted."""
    rate, tokens = sentence.wer, sentence.reference_tokens * repeats
    low, high = wer_ci95([sentence] * repeats)
    for limit in (low, high):
        if limit != rate:
            assert tokens * (rate - limit) ** 2 == pytest.approx(
                1.96**2 * limit * (1 - limit), 1e-4
            )
    assert low <= rate <= high and high - low > 0.15


def test_interval_is_never_narrower_than_that_of_independent_words():
    rng = np.random.default_rng(1)
    for _ in range(50):
        errors = rng.binomial(5, rng.random(), size=rng.integers(2, 6))
        counts = [Counts(correct=5 - int(e), substitutions=int(e)) for e in errors]
        low, high = wer_ci95(counts, resamples=200)
        rate, tokens = sum(counts, Counts()).wer, 5 * len(counts)
        assert low <= rate <= high
        z = 1.96
        half = z * np.sqrt(rate * (1 - rate) / tokens + z**2 / (4 * tokens**2))
        assert high - low > 1.99 * half / (1 + z**2 / tokens)


def test_interval_draws_sentences_so_one_sentence_has_none():
    assert wer_ci95([Counts(correct=50, deletions=50)]) is None


def test_interval_needs_a_sentence():
    with pytest.raises(ValueError, match="zero sentences"):
        wer_ci95([])


def sentences(*errors: int) -> list[Counts]:
    return [Counts(correct=8 - e, substitutions=e) for e in errors]


def test_a_system_against_itself_differs_by_chance_alone():
    test = paired_test(sentences(1, 2, 0), sentences(1, 2, 0))
    assert (test.difference, test.ci95, test.p_value) == (0, (0, 0), 1)


def test_a_clear_difference_over_many_sentences_is_more_than_chance():
    rng = np.random.default_rng(0)
    first, second = (sentences(*rng.binomial(8, rate, 200).tolist()) for rate in (0.2, 0.3))
    test = paired_test(first, second)
    assert test.p_value < 0.001
    assert test.ci95[0] < test.difference < test.ci95[1] < 0
    swapped = paired_test(second, first)
    assert swapped.difference == -test.difference
    assert (swapped.better, swapped.worse) == (test.worse, test.better)


def test_equal_systems_are_told_apart_as_often_as_the_p_value_says():
    rng = np.random.default_rng(2)
    found = [
        paired_test(
            sentences(*rng.binomial(8, 0.3, 60).tolist()),
            sentences(*rng.binomial(8, 0.3, 60).tolist()),
            resamples=400,
        ).p_value
        for _ in range(200)
    ]
    assert 0.01 < np.mean(np.array(found) < 0.05) < 0.11


@pytest.mark.parametrize(("differing", "least"), [(1, 1.0), (2, 0.5), (5, 0.0625)])
def test_few_sentences_that_differ_prove_little(differing, least):
    second = sentences(*[3] * 20)
    test = paired_test([*sentences(*[1] * differing), *second[differing:]], second)
    assert test.p_value >= least
    assert (test.better, test.worse) == (differing, 0)


def test_one_sentence_has_no_paired_test():
    assert paired_test(sentences(1), sentences(2)) is None
