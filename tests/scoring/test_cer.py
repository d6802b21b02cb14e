"""CER counts edits of characters over all sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.scoring.cer import character_error_rate

SENTENCES = st.lists(st.text("ab", min_size=1, max_size=4), max_size=4)


def edits(reference: str, hypothesis: str) -> int:
    """Levenshtein's distance, as in textbooks."""
    row = list(range(len(hypothesis) + 1))
    for i, a in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(hypothesis, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=4))
def test_cer_is_the_edit_distance_over_the_length_of_the_references(pairs):
    references, hypotheses = zip(*pairs, strict=True)
    texts = [(" ".join(r), " ".join(h)) for r, h in pairs]
    length = sum(len(r) for r, _ in texts)
    expected = sum(edits(r, h) for r, h in texts) / max(length, 1)
    assert character_error_rate([*references], [*hypotheses]) == pytest.approx(expected)


def test_the_space_between_words_counts():
    assert character_error_rate([["AB", "C"]], [["AB", "C"]]) == 0
    assert character_error_rate([["AB", "C"]], [["ABC"]]) == 1 / 4
    assert character_error_rate([["AB"], ["CD"]], [[], ["CD"]]) == 1 / 2
