"""The beam search keeps exactly the best prefixes, and sees nothing past a sequence's end."""

from __future__ import annotations

import math
import time
from itertools import groupby, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.ctc.beam import Scored, prefix_beam_search
from slr_accel.ctc.decoders import greedy_decode
from slr_accel.ctc.fusion import Grammar

Prefixes = list[tuple[tuple[int, ...], float]]
seeds = st.integers(0, 2**32 - 1)


def outputs(seed: int, batch: int, steps: int, tokens: int, *, sharpness: float) -> torch.Tensor:
    """(B, T', V) log-probabilities; with sharpness 0.1 nearly flat, with 4 peaky."""
    logits = np.random.default_rng(seed).normal(size=(batch, steps, tokens)) * sharpness
    return torch.from_numpy(logits).float().log_softmax(-1)


def search(
    log_probs: torch.Tensor, *lengths: int, beam: int, grammar: Grammar | None = None
) -> list[list[Scored]]:
    return prefix_beam_search(log_probs, torch.tensor(lengths), beam=beam, grammar=grammar)


def in_words(found: list[Scored]) -> Prefixes:
    return [(tuple(scored.tokens), scored.score) for scored in found]


def over_all_paths(log_probs: np.ndarray, grammar: Grammar | None) -> Prefixes:
    """Every token sequence, the most probable first: sums over all paths (T', V)."""
    sums: dict[tuple[int, ...], float] = {}
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        said = tuple(token for token, _ in groupby(path) if token)
        score = float(sum(log_probs[step, token] for step, token in enumerate(path)))
        sums[said] = float(np.logaddexp(sums.get(said, -math.inf), score))
    scored = {
        said: score + added(grammar, said) + end(grammar, said) for said, score in sums.items()
    }
    return sorted(scored.items(), key=lambda item: -item[1])


def added(grammar: Grammar | None, tokens: tuple[int, ...]) -> float:
    """What the grammar adds for tokens, one by one."""
    if grammar is None:
        return 0.0
    total, state = 0.0, grammar.start
    for token in tokens:
        total += float(grammar.gains(state)[token])
        state = grammar.after(state, token)
    return total


def end(grammar: Grammar | None, tokens: tuple[int, ...]) -> float:
    if grammar is None:
        return 0.0
    state = grammar.start
    for token in tokens:
        state = grammar.after(state, token)
    return grammar.end(state)


def textbook(log_probs: np.ndarray, beam: int, grammar: Grammar | None) -> Prefixes:
    """Prefix beam search with a dictionary of prefixes, every token tried after each."""
    kept = {(): (0.0, -math.inf)}
    for row in log_probs:
        new: dict[tuple[int, ...], list[float]] = {}

        def add(prefix: tuple[int, ...], ending: int, score: float, new: dict = new) -> None:
            sums = new.setdefault(prefix, [-math.inf, -math.inf])
            sums[ending] = float(np.logaddexp(sums[ending], score))

        for prefix, (blank, said) in kept.items():
            total = np.logaddexp(blank, said)
            add(prefix, 0, total + row[0])
            for token in range(1, len(row)):
                again = prefix[-1:] == (token,)
                if again:
                    add(prefix, 1, said + row[token])
                add((*prefix, token), 1, (blank if again else total) + row[token])

        def rank(prefix: tuple[int, ...], new: dict = new) -> float:
            return float(np.logaddexp(*new[prefix])) + added(grammar, prefix)

        best = sorted((p for p in new if rank(p) > -math.inf), key=rank, reverse=True)[:beam]
        kept = {prefix: tuple(new[prefix]) for prefix in best}
    scored = {
        prefix: float(np.logaddexp(*sums)) + added(grammar, prefix) + end(grammar, prefix)
        for prefix, sums in kept.items()
    }
    return sorted(scored.items(), key=lambda item: -item[1])


class Bigrams:
    """A grammar of random numbers: what a token adds depends on the one before; one is forbidden
    after another."""

    def __init__(self, seed: int, tokens: int) -> None:
        random = np.random.default_rng(seed)
        self.start = 0
        self.table = random.normal(size=(tokens, tokens))
        self.table[1, tokens - 1] = -np.inf
        self.last = random.normal(size=tokens)
        self.largest_gain = float(self.table.max())

    def gains(self, state: int) -> np.ndarray:
        return self.table[state]

    def after(self, state: int, token: int) -> int:
        return token

    def end(self, state: int) -> float:
        return float(self.last[state])


def close(found: Prefixes, expected: Prefixes) -> bool:
    return [tokens for tokens, _ in found] == [tokens for tokens, _ in expected] and np.allclose(
        [score for _, score in found], [score for _, score in expected], atol=1e-9
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    steps=st.integers(0, 5),
    tokens=st.integers(2, 4),
    sharpness=st.sampled_from([0.1, 1, 4]),
    with_grammar=st.booleans(),
)
def test_a_beam_that_holds_everything_equals_the_sum_over_all_paths(
    seed: int, steps: int, tokens: int, sharpness: float, with_grammar: bool
) -> None:
    log_probs = outputs(seed, 1, steps, tokens, sharpness=sharpness)
    grammar = Bigrams(seed, tokens) if with_grammar else None
    expected = over_all_paths(log_probs[0].double().numpy(), grammar)
    possible = [(said, score) for said, score in expected if score > -math.inf]
    (found,) = search(log_probs, steps, beam=400, grammar=grammar)
    assert close(in_words(found), possible)


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    tokens=st.sampled_from([2, 3, 7, 90]),
    beam=st.integers(1, 6),
    sharpness=st.sampled_from([0.1, 1, 4]),
    with_grammar=st.booleans(),
)
def test_any_beam_keeps_the_best_prefixes_and_padding_never_matters(
    seed: int, lengths: list[int], tokens: int, beam: int, sharpness: float, with_grammar: bool
) -> None:
    log_probs = outputs(seed, len(lengths), 13, tokens, sharpness=sharpness)
    grammar = Bigrams(seed, tokens) if with_grammar else None
    together = search(log_probs, *lengths, beam=beam, grammar=grammar)
    log_probs[np.arange(13) >= np.array(lengths)[:, None]] = math.nan
    assert search(log_probs, *lengths, beam=beam, grammar=grammar) == together
    for row, steps in enumerate(lengths):
        expected = textbook(log_probs[row, :steps].double().numpy(), beam, grammar)
        assert close(in_words(together[row]), expected)
        (alone,) = search(log_probs[row : row + 1, :steps], steps, beam=beam, grammar=grammar)
        assert alone == together[row]


@settings(max_examples=40, deadline=None)
@given(seed=seeds, steps=st.integers(1, 15), certainty=st.floats(0.9, 0.999))
def test_a_beam_of_one_is_greedy_where_the_model_is_sure(
    seed: int, steps: int, certainty: float
) -> None:
    random = np.random.default_rng(seed)
    probabilities = np.full((1, steps, 5), (1 - certainty) / 4)
    probabilities[0, np.arange(steps), random.integers(0, 5, steps)] = certainty
    log_probs = torch.from_numpy(probabilities).float().log()
    (found,) = search(log_probs, steps, beam=1)
    assert found[0].tokens == greedy_decode(log_probs, torch.tensor([steps]))[0].tokens


def test_the_edges_are_decoded() -> None:
    blanks = torch.tensor([[[0.0, -math.inf, -math.inf]] * 3])
    assert search(blanks, 3, beam=4) == [[Scored([], 0.0, 0.0)]]
    assert search(blanks, 0, beam=4) == [[Scored([], 0.0, 0.0)]]
    assert search(blanks[:, :0], 0, beam=4) == [[Scored([], 0.0, 0.0)]]
    assert search(blanks[:0], beam=4) == []
    one_step = torch.tensor([[[0.2, 0.5, 0.3]]]).log()
    (found,) = search(one_step, 1, beam=2)
    assert [scored.tokens for scored in found] == [[1], [2]]
    assert found[0].log_prob == pytest.approx(math.log(0.5))
    two_outputs = torch.tensor([[[0.4, 0.6]] * 3]).log()
    (found,) = search(two_outputs, 3, beam=9)
    assert [scored.tokens for scored in found] == [[1], [1, 1], []]
    assert sum(math.exp(scored.score) for scored in found) == pytest.approx(1)


def test_nan_is_an_error() -> None:
    log_probs = outputs(0, 2, 4, 3, sharpness=1)
    log_probs[1, 3, 2] = math.nan
    search(log_probs, 4, 3, beam=2)  # it is in the padding
    with pytest.raises(ValueError, match="NaN"):
        search(log_probs, 4, 4, beam=2)


@pytest.mark.parametrize("sharpness", [0.3, 3.0])
def test_equals_flashlight_text(sharpness: float) -> None:
    decoder = pytest.importorskip("flashlight.lib.text.decoder", reason="has no wheel for 3.13")
    tokens, steps, beam = 4, 6, 2_200  # both beams hold everything
    log_probs = outputs(3, 4, steps, tokens, sharpness=sharpness)
    options = decoder.LexiconFreeDecoderOptions(
        beam_size=beam,
        beam_size_token=tokens,
        beam_threshold=1e9,
        lm_weight=0.0,
        sil_score=0.0,
        log_add=True,
        criterion_type=decoder.CriterionType.CTC,
    )
    theirs = decoder.LexiconFreeDecoder(options, decoder.ZeroLM(), -1, 0, [])
    for row, found in enumerate(search(log_probs, *[steps] * 4, beam=beam)):
        own = log_probs[row].contiguous()
        sums: dict[tuple[int, ...], float] = {}
        for result in theirs.decode(own.data_ptr(), steps, tokens):
            # Its beam has paths that end in blank and those that do not apart.
            said = tuple(token for token, _ in groupby(result.tokens[1:-1]) if token > 0)
            sums[said] = float(np.logaddexp(sums.get(said, -math.inf), result.score))
        best = max(sums, key=lambda said: sums[said])
        assert tuple(found[0].tokens) == best
        assert found[0].score == pytest.approx(sums[best], abs=1e-4)


@pytest.mark.slow
def test_ten_thousand_frames_take_ten_times_as_long_as_a_thousand() -> None:
    log_probs = outputs(0, 1, 10_000, 200, sharpness=3)
    seconds = {}
    for steps in (1_000, 10_000):
        start = time.process_time()
        search(log_probs[:, :steps], steps, beam=10)
        seconds[steps] = time.process_time() - start
    assert seconds[10_000] < 20 * seconds[1_000]
