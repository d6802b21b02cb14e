"""One road leads from a transcribed split to its figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from scored_helpers import HEALTH, SEQUENCES, scored, sequence

from slr_accel.scoring.scored import ScoredSplit, against_greedy, figures, result
from slr_accel.scoring.wer import Counts


def test_result_has_exactly_the_documented_keys():
    page = (Path(__file__).parents[2] / "docs" / "scoring.md").read_text(encoding="utf-8")
    bullet = page.split("- `<split>.json`: ")[1].split("\n- ")[0]
    documented = set(re.findall(r"`(\w+)`", bullet)) - {"characters"}
    added = {"calibration", "averaged_with", "greedy", "new_sentences"}  # by evaluate
    split = ScoredSplit(SEQUENCES, "characters", HEALTH, loss=1.0)
    found = result(split, split="dev", decoder="greedy", checkpoint="c", data_dir="d")
    assert set(found) - {"eval_loss"} == documented - added


def test_result_figures_are_those_of_the_counts():
    data = scored(SEQUENCES)
    assert data["wer"] == 0.6
    assert (data["substitutions"], data["deletions"], data["insertions"]) == (2, 3, 1)
    assert (data["correct"], data["reference_tokens"], data["num_sequences"]) == (5, 10, 4)
    assert data["wer_ci95"][0] <= data["wer"] <= data["wer_ci95"][1]
    assert (data["blank_share"], data["empty_share"], data["distinct_tokens"]) == (0.75, 0.25, 3)


def test_signers_add_up_to_the_whole():
    data = scored(SEQUENCES)
    assert list(data["per_signer"]) == ["Signer01", "Signer02"]
    assert data["per_signer"]["Signer02"]["wer"] == 0.2
    for key in ("substitutions", "deletions", "insertions", "correct", "num_sequences"):
        assert data[key] == sum(figures[key] for figures in data["per_signer"].values())


def test_result_is_strict_json_even_over_an_empty_reference():
    data = scored([sequence("s", "x", "", "A B")])
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["wer"] == 2


def test_a_decoder_helps_where_greedy_decoding_has_more_errors():
    greedy = [Counts(1, substitutions=1), Counts(2), Counts(0, deletions=3), Counts(4)]
    sequences = [
        sequence("1", "x", "A B", "A B"),
        sequence("2", "x", "A B", "A"),
        sequence("3", "x", "A B C", "A"),
        sequence("4", "x", "A B C D", "A B C D"),
    ]
    found = against_greedy(sequences, greedy)["greedy"]
    assert found == {"wer": 4 / 11, "helped": 2, "hurt": 1}
    assert against_greedy(sequences, []) == {}


def test_nothing_to_score_is_an_error_that_says_which_split():
    with pytest.raises(ValueError, match="'dev'"):
        scored([])


def test_characters_and_a_loss_are_figures_only_where_there_are_some():
    plain = figures(ScoredSplit(SEQUENCES, "raw", HEALTH))
    assert "cer" not in plain and "eval_loss" not in plain
    spelled = figures(ScoredSplit(SEQUENCES, "characters", HEALTH, loss=1.5))
    assert set(spelled) - set(plain) == {"cer", "eval_loss"} and spelled["eval_loss"] == 1.5
