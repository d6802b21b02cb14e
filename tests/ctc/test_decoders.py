"""Greedy decoding merges, removes blanks, and sees nothing past a sequence's end."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.ctc.decoders import Hypothesis, greedy_decode, make_decoder
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.settings.decoding import DecodingSettings

NUM_TOKENS = 5


def peaked(rows: list[list[int]], probability: float = 0.9) -> torch.Tensor:
    """(B, T', V) log-probabilities whose best tokens are `rows`, padded with token 1."""
    longest = max(map(len, rows))
    best = torch.tensor([row + [1] * (longest - len(row)) for row in rows])
    rest = (1 - probability) / (NUM_TOKENS - 1)
    one_hot = torch.nn.functional.one_hot(best, NUM_TOKENS).float()
    return (rest + (probability - rest) * one_hot).log()


def decode(*rows: list[int]) -> list[Hypothesis]:
    return greedy_decode(peaked(list(rows)), torch.tensor([len(row) for row in rows]))


def slow_decode(row: list[int]) -> list[tuple[int, int, int]]:
    """(token, start, end) by the definition, step by step."""
    found: list[tuple[int, int, int]] = []
    previous = 0
    for step, token in enumerate(row):
        if token and token == previous:
            found[-1] = (token, found[-1][1], step + 1)
        elif token:
            found.append((token, step, step + 1))
        previous = token
    return found


def test_repeats_merge_unless_a_blank_parts_them():
    (hypothesis,) = decode([0, 2, 2, 0, 2, 3, 3, 3, 0])
    assert hypothesis.tokens == [2, 2, 3]
    assert hypothesis.start == [1, 4, 5]
    assert hypothesis.end == [3, 5, 8]
    assert hypothesis.confidence == pytest.approx([0.9] * 3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=4))
def test_a_batch_decodes_as_its_rows_do_one_step_at_a_time(rows):
    for hypothesis, row in zip(decode(*rows), rows, strict=True):
        found = list(zip(hypothesis.tokens, hypothesis.start, hypothesis.end, strict=True))
        assert found == slow_decode(row)


def test_steps_past_a_sequences_length_never_matter():
    log_probs = peaked([[1, 0, 2, 3, 3, 3], [0, 0, 4, 4, 4, 4]])
    lengths = torch.tensor([3, 3])
    expected = greedy_decode(log_probs, lengths)
    assert [h.tokens for h in expected] == [[1, 2], [4]]
    assert expected[1].end == [3]
    for padding in (float("nan"), float("inf"), 100.0):
        changed = log_probs.clone()
        changed[:, 3:] = padding
        assert greedy_decode(changed, lengths) == expected


def test_confidence_is_the_mean_probability_over_the_run():
    probabilities = torch.tensor([[[0.1, 0.9], [0.3, 0.7], [0.8, 0.2], [0.4, 0.6]]])
    (hypothesis,) = greedy_decode(probabilities.log(), torch.tensor([4]))
    assert hypothesis.confidence == pytest.approx([0.8, 0.6])


def test_a_beam_of_one_is_greedy_and_a_wider_one_keeps_what_greedy_says():
    # Two paths say token 2, together as often as the blank path: a beam of 2 hears it.
    log_probs = torch.tensor([[[0.4, 0.3, 0.3], [0.4, 0.1, 0.5]], [[0.9, 0.1, 0], [0, 1, 0]]]).log()
    vocabulary, lengths = Vocabulary(("A", "B"), "raw"), torch.tensor([2, 2])
    greedy = greedy_decode(log_probs, lengths)
    one, two = (
        make_decoder(DecodingSettings(decoder="beam", beam=beam), vocabulary)(log_probs, lengths)
        for beam in (1, 2)
    )
    assert one == greedy
    assert [h.greedy for h in two] == [h.tokens for h in greedy]
    assert all(h.n_best for h in two)


def test_all_blank_and_zero_steps_are_empty_hypotheses():
    log_probs = peaked([[0, 0, 0], [2, 2, 2]])
    empty = Hypothesis([], [], [], [])
    assert greedy_decode(log_probs, torch.tensor([3, 0])) == [empty, empty]
    assert greedy_decode(log_probs[:, :0], torch.tensor([0, 0])) == [empty, empty]
    assert greedy_decode(log_probs[:0], torch.tensor([], dtype=torch.long)) == []


def test_token_numbers_of_a_large_vocabulary_survive():
    log_probs = torch.full((1, 2, 70_001), -20.0)
    log_probs[0, 0, 70_000] = 0
    log_probs[0, 1, 69_999] = 0
    assert greedy_decode(log_probs, torch.tensor([2]))[0].tokens == [70_000, 69_999]


def test_log_probs_that_need_a_gradient_can_be_decoded():
    assert greedy_decode(peaked([[1]]).requires_grad_(), torch.tensor([1]))[0].tokens == [1]


def test_reduced_precision_gives_the_same_tokens():
    log_probs = peaked([[1, 1, 0, 3]])
    (hypothesis,) = greedy_decode(log_probs.bfloat16(), torch.tensor([4]))
    assert hypothesis.tokens == greedy_decode(log_probs, torch.tensor([4]))[0].tokens
