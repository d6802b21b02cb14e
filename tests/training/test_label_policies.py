"""A run trains on what its label policy makes of the labels, and is scored and read in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_helpers import TrainCommand, tiny_sequences, write_tiny

from slr_accel.cli import main
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.scoring.references import references
from slr_accel.settings.run import Settings, build_settings
from slr_accel.training.data import TrainData, make_epoch, make_vocabulary, train_data

NAMES = {"A": "loc-NORD", "B": "IX", "C": "REGEN", "D": "__PU__"}


def phoenix_like() -> list[Sequence]:
    """The tiny corpus with PHOENIX' names for its words; dev is clean, as PHOENIX' is."""
    clean = {"loc-NORD": ["NORD"], "__PU__": []}
    sequences = []
    for s in tiny_sequences(24):
        labels = [NAMES[label] for label in s.labels]
        if s.split == "dev":
            labels = [word for label in labels for word in clean.get(label, [label])]
        sequences.append(replace(s, labels=labels))
    return sequences


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("corpora") / "phoenix", phoenix_like())


def data_of(folder: Path, policy: str, **changes: Any) -> tuple[Settings, Corpus, TrainData]:
    settings = build_settings(
        {"data_dir": str(folder), "output_dir": "unused", "label_policy": policy, "epochs": 2}
        | {"output_stride": 1, **changes}
    )
    corpus = open_corpus(folder)
    vocabulary = make_vocabulary(settings, corpus)
    return settings, corpus, train_data(settings, corpus, vocabulary)


def test_sequences_that_a_policy_leaves_without_labels_are_left_out_and_named(
    phoenix: Path,
) -> None:
    _, corpus, data = data_of(phoenix, "filtered973")
    words = {row: corpus.labels(row) for row in corpus.rows.of_split("train")}
    silent = [row for row, labels in words.items() if "REGEN" not in labels]
    assert silent and set(data.rows) == set(words) - set(silent)
    (reason,) = data.dropped
    assert f"{len(silent)} of {len(words)} sequences left out" in reason
    assert "no labels under the label policy filtered973" in reason
    assert corpus.rows.id(silent[0]) in reason
    assert data_of(phoenix, "raw")[2].dropped == []


def test_a_policy_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    marks = [replace(s, labels=["__ON__"]) for s in tiny_sequences(4)]
    with pytest.raises(ValueError, match="no labels under the label policy phoenix2014t"):
        data_of(write_tiny(tmp_path / "c", marks), "phoenix2014t")


def test_references_are_what_a_policy_is_scored_on(phoenix: Path) -> None:
    corpus = open_corpus(phoenix)
    dev = corpus.rows.of_split("dev")
    as_annotated = [corpus.labels(row) for row in dev]
    assert any("IX" in words for words in as_annotated)
    for policy in ("raw", "phoenix2014", "filtered973", "characters"):
        assert references(corpus, dev, policy) == as_annotated
    train = references(corpus, corpus.rows.of_split("train"), "filtered973")
    assert {word for words in train for word in words} == {"NORD", "IX", "REGEN"}


def test_joined_sentences_are_separated_where_words_are_spelled(tiny_corpus: Path) -> None:
    settings, corpus, data = data_of(tiny_corpus, "characters", join_probability=1.0)
    vocabulary = make_vocabulary(settings, corpus)
    sentences = {"|".join(corpus.labels(row)) for row in corpus.rows.of_split("train")}
    joined = [vocabulary.decode(t) for t in make_epoch(settings, data, 0).targets.values()]
    both = {f"{first}|{second}" for first in sentences for second in sentences}
    assert {"".join(tokens) for tokens in joined} <= sentences | both
    assert any("".join(tokens) in both - sentences for tokens in joined)


def test_only_labels_that_are_all_kept_can_be_cut_at_their_segments(tmp_path: Path) -> None:
    def segmented(name: str, labels: list[str]) -> Sequence:
        features = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
        places = [Segment(10 * i, 10 * i + 8, label) for i, label in enumerate(labels)]
        presence = np.ones((40, 2), bool)
        return Sequence(name, "train", "anna", features, presence, labels, places)

    corpus = write_tiny(
        tmp_path / "c",
        [segmented("kept", ["loc-A", "TAG"]), segmented("cut", ["TAG", "__PU__", "IX"])],
    )

    def segments(policy: str) -> list[list[tuple[int, int]] | None]:
        data = data_of(corpus, policy, crop_probability=0.5)[2]
        return [None if s.segments is None else list(s.segments) for s in data.sources]

    both = [[(0, 8), (10, 18)], [(0, 8), (10, 18), (20, 28)]]
    assert segments("raw") == both
    assert segments("phoenix2014") == [both[0], None]
    assert segments("characters") == [None, None]


def test_training_says_what_no_model_can_reach_and_another_policy_does_not_continue_it(
    train: TrainCommand, phoenix: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    output = train.run(run, data_dir=phoenix, label_policy="filtered973", max_steps=1)
    corpus = open_corpus(phoenix)
    words = [word for row in corpus.rows.of_split("dev") for word in corpus.labels(row)]
    lost = sum(word != "REGEN" for word in words)
    assert f"gets below {lost / len(words):.2%} WER on dev" in output
    assert "1 tokens" in output and "warning: " in output
    saved = json.loads((run / "vocabulary.json").read_text())
    assert (saved["label_policy"], saved["tokens"]) == ("filtered973", ["REGEN"])
    output = train.run(run, data_dir=phoenix, label_policy="raw", max_steps=2, expect=2)
    assert "label_policy: 'filtered973' then, 'raw' now" in output


def test_a_model_of_characters_is_scored_and_read_in_words(
    train: TrainCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = {"A": "AB", "B": "BA", "C": "C", "D": "BC"}
    corpus = write_tiny(
        tmp_path / "corpus",
        [replace(s, labels=[letters[x] for x in s.labels]) for s in tiny_sequences(24)],
    )
    run = tmp_path / "run"
    changed = {"dropout": 0.0, "block_dropout": 0.0, "reduction": 1, "output_stride": 1}
    output = train.run(
        run, data_dir=corpus, label_policy="characters", epochs=60, eval_steps=100, **changed
    )
    assert "perfect recogniser" not in output
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    spelling = [record["cer"] for record in metrics if "wer" in record]
    assert f"CER {spelling[-1]:.2%}" in output and spelling[-1] < spelling[0]
    with pytest.raises(SystemExit):
        main(["evaluate", str(run), "--split", "train"])
    printed = capsys.readouterr().out
    result = json.loads((run / "eval" / "train.json").read_text())
    assert result["label_policy"] == "characters"
    assert result["reference_tokens"] == sum(
        len(s.labels) for s in tiny_sequences(24) if s.split == "train"
    )
    assert 0 <= result["cer"] <= result["wer"] < 0.3
    assert f"label policy characters, CER {100 * result['cer']:.1f} %" in printed
    assert "CER" in (run / "eval" / "report.html").read_text()
    lines = [line.split() for line in (run / "eval" / "train.ctm").read_text().splitlines()]
    said = result["correct"] + result["substitutions"] + result["insertions"]
    assert len(lines) == said and {"AB", "BA", "BC"} <= {line[4] for line in lines}
    # Two characters or more take two output steps or more.
    assert all(float(line[3]) >= len(line[4]) / 25 - 1e-3 for line in lines)
    with pytest.raises(SystemExit):
        main(["predict", str(run)])
    for line in (run / "predictions" / "dev.jsonl").read_text().splitlines():
        predicted = json.loads(line)
        assert len(predicted["confidence"]) == len(predicted["hypothesis"].split())
        assert "|" not in predicted["hypothesis"]
