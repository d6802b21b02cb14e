"""The forced alignment is the best of all paths that say the reference."""

from itertools import groupby, pairwise, product

import numpy as np
import pytest

from slr_accel.ctc.alignment import forced_alignment


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
