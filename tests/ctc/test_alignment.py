"""The forced alignment is the best of all paths that say the reference."""

from itertools import groupby, pairwise, product

import numpy as np
import pytest

from slr_accel.ctc.alignment import forced_alignment, forced_alignments


def said(path: tuple[int, ...]) -> list[int]:
    return [token for token, _ in groupby(path) if token]


@pytest.mark.parametrize("tokens", [[], [1], [1, 2], [2, 2], [1, 2, 1], [1, 1, 2]])
def test_is_the_best_of_all_paths(tokens: list[int]) -> None:
    random = np.random.default_rng(len(tokens))
    for steps in (3, 5):
        if steps < len(tokens) + sum(a == b for a, b in pairwise(tokens)):
            continue
        logits = random.normal(size=(steps, 3))
        log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        scores = {
            path: sum(log_probs[step, token] for step, token in enumerate(path))
            for path in product(range(3), repeat=steps)
            if said(path) == tokens
        }
        path, score = forced_alignment(log_probs, tokens)
        assert tuple(path) == max(scores, key=lambda p: scores[p])
        assert score == pytest.approx(max(scores.values()))


def test_too_few_steps_are_named() -> None:
    with pytest.raises(ValueError, match="2 tokens need 3 output steps, and there are 2"):
        forced_alignment(np.zeros((2, 3)), [1, 1])


def test_a_batch_is_aligned_as_each_alone() -> None:
    random = np.random.default_rng(0)
    log_probs = np.log(random.dirichlet(np.ones(4), size=(4, 9)))
    lengths, tokens = [9, 5, 7, 0], [[1, 2, 2, 3], [3], [], []]
    together = forced_alignments(log_probs, lengths, tokens)
    for row, found in enumerate(together):
        steps = lengths[row]
        assert forced_alignments(log_probs[row, None, :steps], [steps], [tokens[row]]) == [found]
        for token, start, end, sure in zip(
            tokens[row], found.start, found.end, found.confidence, strict=True
        ):
            assert 0 <= start < end <= lengths[row]
            assert sure == pytest.approx(np.exp(log_probs[row, start:end, token]).mean())
    assert together[0].end[0] <= together[0].start[1]
