"""`import slr_accel` costs nothing and offers what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import slr_accel

PROGRAM = """
import sys
import slr_accel
assert {"load", "open_corpus", "train", "evaluate", "score"} <= set(dir(slr_accel))
assert not {"torch", "numpy", "pyarrow", "pydantic"} & set(sys.modules)
import slr_accel.train
assert slr_accel.score(["A B"], ["A"])["deletions"] == 1
assert "torch" not in sys.modules
assert slr_accel.train.__name__ == "train" and callable(slr_accel.train)
"""


def test_importing_is_free_and_scoring_needs_no_torch() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)


def test_scores_are_those_of_sclite_and_take_texts_or_lists() -> None:
    figures = slr_accel.score([["A", "B", "C"], "D"], ["A X C", []])
    assert (figures["substitutions"], figures["deletions"], figures["wer"]) == (1, 1, 0.5)


@pytest.mark.parametrize(
    ("references", "hypotheses", "options", "told"),
    [
        (["A"], [], {}, "1 references and 0 hypotheses"),
        ([], [], {}, "no sentence to score"),
        (["A"], ["A"], {"protocol": "mine"}, "protocol 'mine'"),
    ],
)
def test_what_cannot_be_scored_is_refused(references, hypotheses, options, told) -> None:
    with pytest.raises(ValueError, match=told):
        slr_accel.score(references, hypotheses, **options)


def test_training_evaluating_and_loading_are_three_calls(tiny_corpus: Path, tmp_path: Path) -> None:
    run = slr_accel.train(
        tiny_corpus,
        tmp_path / "a run",
        channels=16,
        lstm_hidden=8,
        epochs=1,
        batch_size=6,
        squeeze_excitation=False,
        groups=["position", "velocity"],
        wandb_mode="disabled",
    )
    assert "consistency_weight: 4.0" in (run / "config.yaml").read_text(), "as own_small has it"
    figures = slr_accel.evaluate(run)
    assert figures["split"] == "dev" and figures["num_sequences"] == 6
    corpus = slr_accel.open_corpus(tiny_corpus)
    recogniser = slr_accel.load(run)
    found = [recogniser.transcribe(corpus.features(i)) for i in corpus.rows.of_split("dev")]
    references = [corpus.labels(i) for i in corpus.rows.of_split("dev")]
    assert slr_accel.score(references, [r.glosses for r in found])["wer"] == figures["wer"]


def test_a_wrong_setting_is_a_value_error(tiny_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="epoch"):
        slr_accel.train(tiny_corpus, tmp_path / "run", epochss=3)
