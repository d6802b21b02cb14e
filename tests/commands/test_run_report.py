"""The report of a run knows what training saw, and where the right sentence is among the best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scored_helpers import sequence

from slr_accel.commands.evaluate import n_best_texts
from slr_accel.commands.run_report import run_details
from slr_accel.runs.opened import open_run
from slr_accel.scoring.scored import ScoredSequence, scored_sequences


def of_split(opened, said: list[list[str]] | None = None) -> list[ScoredSequence]:
    rows = opened.corpus.rows.of_split(opened.split)
    expected = [opened.corpus.labels(row) for row in rows]
    names = [opened.corpus.rows.id(row) for row in rows]
    return scored_sequences(names, names, expected, said or [["A"]] * len(rows))


def test_details_of_a_run(plain_run: Path) -> None:
    with open_run(str(plain_run)) as opened:
        rows = opened.corpus.rows.of_split("dev")
        sequences = of_split(opened)
        others = [[s.hypothesis, ["B"], s.reference] for s in sequences]
        others[0] = [["C", "C"]]
        details = run_details(opened, str(plain_run), rows, sequences, others)
    assert [curve["name"] for curve in details.curves][:2] == ["loss", "wer"]
    groups = details.tables["By what training saw"]
    assert sum(group["num_sequences"] for group in groups) == len(rows)
    assert set(details.sentences) == {s.id for s in sequences}, "a small split is shown whole"
    assert details.ranks[sequences[0].id] is None
    assert set(list(details.ranks.values())[1:]) <= {1, 2, 3}
    assert {one.made.clip for one in details.confused} <= set(details.clips)
    assert details.facts["Settings"]["epochs"] == 3
    assert "data_dir" not in details.facts["Settings"], "an address may hold a password"
    assert details.facts["Data"]["fingerprint"] == details.facts["Data"]["fingerprint in training"]
    for s in sequences:
        words = [word for _, _, word, _ in details.sentences[s.id].tracks["reference"]]
        assert words == s.reference


def test_a_model_without_its_run_has_no_curves(plain_run: Path, tiny_corpus: Path) -> None:
    with open_run(str(plain_run / "best"), data_dir=str(tiny_corpus)) as opened:
        rows = opened.corpus.rows.of_split("dev")
        details = run_details(opened, str(plain_run / "best"), rows, of_split(opened))
    assert details.curves == [] and "Settings" not in details.facts
    assert details.ranks == {}


def test_an_empty_split_of_words_is_shown(plain_run: Path) -> None:
    with open_run(str(plain_run)) as opened:
        rows = opened.corpus.rows.of_split("dev")[:1]
        alone = [sequence(opened.corpus.rows.id(rows[0]), "x", "", "")]
        details = run_details(opened, str(plain_run), np.array(rows), alone)
    assert details.sentences[alone[0].id].tracks == {"reference": [], "hypothesis": []}


def test_the_n_best_are_compared_as_the_protocol_compares() -> None:
    n_best = [[{"hypothesis": ["haus", "a"]}, {"hypothesis": []}], []]
    assert n_best_texts(n_best, "sclite") == [[["HAUS", "A"], []], []]
    assert n_best_texts(n_best, None) == [[["haus", "a"], []], []]
