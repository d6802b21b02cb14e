"""What a run asks of a corpus is checked before anything slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from slr_accel.corpus.reader import open_corpus
from slr_accel.settings import build_settings
from slr_accel.training.data import check_splits


def test_augmentation_that_a_layout_does_not_allow_is_refused_at_once(tiny_corpus: Path) -> None:
    values = {"data_dir": str(tiny_corpus), "output_dir": "run"}
    check_splits(build_settings(values), open_corpus(tiny_corpus))
    settings = build_settings(values | {"mirror_probability": 0.5})
    with pytest.raises(ValueError, match=r"cannot be used with .*tiny corpus.*\n.*names no origin"):
        check_splits(settings, open_corpus(tiny_corpus))
