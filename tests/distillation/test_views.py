"""Teachers of another view or vocabulary teach by name, or say what they lack."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from slr_accel.distillation.views import outputs_by_gloss, view_of
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.layout import Block, Layout

HAND = Block("hand", ("wrist", "tip"), ("x", "y", "z"))
FACE = Block("face", ("nose",), ("x", "y"))
CORPUS = Layout((FACE, HAND))


def test_a_view_picks_columns_and_blocks_by_name() -> None:
    own = Layout((Block("hand", ("tip",), ("y", "x")), FACE))
    view = view_of(own, CORPUS)
    assert view is not None
    # Corpus: nose x y, wrist x y z, tip x y z.
    assert view.columns.tolist() == [6, 5, 0, 1]
    assert view.blocks.tolist() == [1, 0]
    assert view_of(CORPUS, CORPUS) is None


def test_what_the_corpus_lacks_is_named() -> None:
    own = Layout((HAND, Block("face", ("nose",), ("x", "y", "z")), Block("pose", ("hip",), ("x",))))
    with pytest.raises(ValueError, match=r"lacks face\.nose, pose\.hip"):
        view_of(own, CORPUS)


def test_outputs_are_mapped_by_gloss() -> None:
    teacher, student = Vocabulary(("A", "B", "C"), "raw"), Vocabulary(("A", "C"), "raw")
    outputs = outputs_by_gloss(teacher, student)
    assert outputs is not None
    log_probs = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    np.testing.assert_allclose(log_probs[outputs].exp(), [0.1, 0.2, 0.4], rtol=1e-6)
    assert outputs_by_gloss(student, student) is None


def test_a_vocabulary_that_lacks_tokens_is_refused_with_the_list() -> None:
    teacher, student = Vocabulary(("A", "X"), "raw"), Vocabulary(("A", "B", "C"), "raw")
    with pytest.raises(ValueError, match=r"lacks 2 of the student's 3: B, C; it alone has X"):
        outputs_by_gloss(teacher, student)
