"""A recogniser that says nothing, or always the same, is noticed; one that differs is not."""

import pytest
import torch

from slr_accel.ctc.health import (
    NUM_SUMS,
    Health,
    OutputMeans,
    hypothesis_health,
    output_sums,
    warning,
    warning_without_references,
)


def log_probs_of(best: list[list[int]]) -> torch.Tensor:
    """(B, T', V) with these best tokens."""
    return torch.nn.functional.one_hot(torch.tensor(best), 4).float().log_softmax(-1)


def test_outputs_are_measured_over_valid_steps_only():
    log_probs = log_probs_of([[0, 1, 0, 0], [2, 0, 0, 0]])
    expected = OutputMeans.of(output_sums(log_probs, torch.tensor([3, 1])).tolist())
    assert (expected.steps, expected.blank_share) == (4, 0.5)
    log_probs[0, 3:] = float("nan")
    log_probs[1, 1:] = float("nan")
    assert OutputMeans.of(output_sums(log_probs, torch.tensor([3, 1])).tolist()) == expected


def test_sums_of_batches_add_up_to_those_of_the_split():
    log_probs = log_probs_of([[0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 3, 0]])
    lengths = torch.tensor([4, 2, 3])
    parts = [output_sums(log_probs[i : i + 1], lengths[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(torch.stack(parts).sum(dim=0), output_sums(log_probs, lengths))


def test_uniform_outputs_have_entropy_1_and_certain_ones_0():
    uniform = torch.full((1, 6, 50), 0.0).log_softmax(-1)
    means = OutputMeans.of(output_sums(uniform, torch.tensor([6])).tolist())
    assert means.entropy == pytest.approx(1) and means.confidence == pytest.approx(1 / 50)
    certain = torch.full((1, 6, 50), -torch.inf)
    certain[..., 0] = 0
    means = OutputMeans.of(output_sums(certain, torch.tensor([6])).tolist())
    assert means.figures() == {
        "blank_share": 1,
        "blank_probability": 1,
        "entropy": 0,
        "confidence": 1,
    }


def outputs(blank_share: float = 0.995) -> OutputMeans:
    return OutputMeans(1000, blank_share, blank_share, 0.1, 0.9)


def test_health_counts_empty_and_distinct_hypotheses():
    health = hypothesis_health([[1, 2], [], [2, 1], [1, 2], []], outputs())
    assert health == Health(
        outputs=outputs(),
        empty_hypotheses=2,
        num_sequences=5,
        distinct_tokens=2,
        distinct_hypotheses=3,
    )
    assert health.empty_share == 0.4


def test_shares_of_nothing_are_zero():
    health = hypothesis_health([], OutputMeans.of([0.0] * NUM_SUMS))
    assert (health.outputs.blank_share, health.empty_share) == (0.0, 0.0)


@pytest.mark.parametrize("num_sequences", [1, 8])
def test_all_empty_warns_with_what_was_seen_and_where_to_look(num_sequences):
    text = warning(hypothesis_health([[]] * num_sequences, outputs()), errors=1)
    assert text is not None
    assert "every hypothesis is empty" in text
    assert "99.5 % of 1000" in text
    assert "learning rate" in text


def test_all_equal_warns_that_the_output_ignores_the_input():
    text = warning(hypothesis_health([[3, 1]] * 8, outputs()), errors=1)
    assert text is not None
    assert "all 8 hypotheses are the same" in text
    assert "features" in text


def test_equal_hypotheses_that_are_right_are_no_reason_to_warn():
    assert warning(hypothesis_health([[3, 1]] * 8, outputs()), errors=0) is None


@pytest.mark.parametrize("hypotheses", [[[]] * 8, [[3, 1]] * 8])
def test_without_references_nothing_is_said_of_wer_and_training(hypotheses):
    health = hypothesis_health(hypotheses, outputs())
    text = warning_without_references(health)
    assert text is not None and "slr-accel inspect" in text
    assert "WER" not in text and "learning rate" not in text
    assert text.split(")")[0] in warning(health, errors=1)


@pytest.mark.parametrize(
    "hypotheses",
    [[], [[3, 1]], [[3, 1], [1]], [[], [1]], [[]] * 20 + [[1]]],
    ids=["none", "one sequence", "different", "half empty", "nearly all empty"],
)
def test_no_warning_where_hypotheses_differ_or_cannot(hypotheses):
    health = hypothesis_health(hypotheses, outputs(0.0))
    assert warning(health, errors=1) is None and warning_without_references(health) is None
