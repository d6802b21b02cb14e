"""What a run asks of a corpus is checked before anything slow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.layouts.layout import generic_layout
from slr_accel.settings.run import build_settings
from slr_accel.training.data import (
    check_splits,
    count_steps,
    make_epoch,
    make_vocabulary,
    scored_rows,
    train_data,
)


def test_augmentation_that_a_layout_does_not_allow_is_refused_at_once(tiny_corpus: Path) -> None:
    values = {"data_dir": str(tiny_corpus), "output_dir": "run"}
    check_splits(build_settings(values), open_corpus(tiny_corpus))
    settings = build_settings(values | {"mirror_probability": 0.5})
    with pytest.raises(ValueError, match=r"cannot be used with .*tiny corpus.*\n.*names no origin"):
        check_splits(settings, open_corpus(tiny_corpus))


def refusal_of(folder: Path, *splits: str, **options: str) -> str:
    """What is said of a corpus with a sequence in each of these splits."""
    values, seen = np.ones((9, 1), np.float32), np.ones((9, 1), bool)
    sequences = [Sequence(split, split, "anna", values, seen, ["A"]) for split in splits]
    made = {"layout": generic_layout(1), "dtype": "float32", "frames_per_second": None}
    write_corpus(folder / "corpus", sequences, **made, source={})
    settings = build_settings({"data_dir": "corpus", "output_dir": "run", **options})
    with pytest.raises(ValueError) as error:
        check_splits(settings, open_corpus(folder / "corpus"))
    return str(error.value)


def test_of_a_corpus_with_train_alone_some_rows_become_dev(tmp_path: Path) -> None:
    text = refusal_of(tmp_path, "train")
    assert "no split 'dev' to validate on; it has: train" in text
    assert "change `split` to `dev` in some rows" in text
    assert "--eval_split" not in text


def test_a_split_without_sequences_is_nothing_to_validate_on(tiny_corpus: Path) -> None:
    corpus = open_corpus(tiny_corpus)
    corpus.rows = replace(corpus.rows, split_names=[*corpus.rows.split_names, "none"])
    settings = build_settings({"data_dir": "c", "output_dir": "run", "eval_split": "none"})
    with pytest.raises(ValueError, match=r"'none' of .* has no sequences to validate on"):
        check_splits(settings, corpus)


@pytest.mark.parametrize("likely", ["val", "valid", "validation", "Dev", "DEV", "test"])
def test_a_split_that_is_likely_meant_to_validate_on_is_named(tmp_path: Path, likely: str) -> None:
    text = refusal_of(tmp_path, "train", "other", likely)
    assert f"--eval_split {likely}" in text
    assert ("compared as written: " in text) == (likely.lower() == "dev")


def test_a_split_of_any_other_name_is_left_to_choose(tmp_path: Path) -> None:
    text = refusal_of(tmp_path, "train", "heldout", "more")
    assert "it has: heldout, more, train" in text
    assert "--eval_split" in text and "--eval_split train" not in text


def test_names_of_splits_are_told_to_be_compared_as_written(tmp_path: Path) -> None:
    text = refusal_of(tmp_path, "Train", "Dev")
    assert "no split 'train'; it has: Dev, Train" in text
    assert "compared as written: Train is not train" in text


@pytest.mark.parametrize(
    "given",
    [
        {"join_probability": 0.5},
        {"batch_frames": 150},
        {"batch_frames": 150, "join_probability": 0.5},
        {"batch_frames": 150, "shard_window": 1},
        {"shard_window": 1},
    ],
)
def test_the_steps_counted_are_those_that_the_epochs_have(
    sharded_corpus: Path, given: dict[str, float]
) -> None:
    values = {"data_dir": "c", "output_dir": "r", "epochs": 3, "batch_size": 4}
    settings = build_settings(values | given)
    corpus = open_corpus(sharded_corpus)
    data = train_data(settings, corpus, make_vocabulary(settings, corpus))
    shown: list[int] = []

    def track(items, description, total):
        for item in items:
            yield item
            shown.append(item)

    plans = [make_epoch(settings, data, epoch).plan for epoch in range(3)]
    assert count_steps(settings, data, 2, track) == sum(-(-len(plan) // 2) for plan in plans)
    assert shown == [0, 1, 2]


def test_unlabelled_rows_are_planned_whole_and_weigh_as_much_as_labelled_ones(
    tiny_corpus: Path,
) -> None:
    values = {"data_dir": str(tiny_corpus), "output_dir": "run", "teacher": "a teacher"}
    spliced = {
        "join_probability": 0.5,
        "epochs": 2,
        "num_train_samples": 6,
        "unlabelled_split": "train",
    }
    settings, corpus = build_settings(values | spliced), open_corpus(tiny_corpus)
    data = train_data(settings, corpus, make_vocabulary(settings, corpus))
    labelled = {source.row for source in data.sources}
    assert len(labelled) == 6 and set(data.rows.tolist()) == set(corpus.rows.of_split("train"))
    epoch = make_epoch(settings, data, 0)
    assert sorted(np.concatenate(epoch.plan)) == sorted(data.rows)
    frames = dict(zip(data.rows.tolist(), data.frames.tolist(), strict=True))
    rate = sum(len(epoch.targets[r]) for r in labelled) / sum(epoch.frames[r] for r in labelled)
    for row in set(data.rows.tolist()) - labelled:
        assert epoch.targets[row] == [] and row not in epoch.pieces
        assert epoch.frames[row] == frames[row]
        assert abs(epoch.num_targets(row) - rate * frames[row]) <= 0.5
    assert all(epoch.num_targets(row) == len(epoch.targets[row]) for row in labelled)
    scored = build_settings(values | {"unlabelled_split": "dev"})
    with pytest.raises(ValueError, match="the split that validation scores"):
        train_data(scored, corpus, make_vocabulary(scored, corpus))


def test_validation_of_the_rows_trained_on_leaves_unlabelled_ones_out(tiny_corpus: Path) -> None:
    values = {"data_dir": str(tiny_corpus), "output_dir": "run", "teacher": "a teacher"}
    chosen = {"eval_split": "train", "num_train_samples": 6, "unlabelled_split": "dev"}
    settings, corpus = build_settings(values | chosen), open_corpus(tiny_corpus)
    data = train_data(settings, corpus, make_vocabulary(settings, corpus))
    scored = scored_rows(settings, corpus, data).tolist()
    assert scored == [source.row for source in data.sources] and len(scored) == 6


def test_unlabelled_sequences_may_not_be_too_long_either(tmp_path: Path) -> None:
    text = refusal_of(
        tmp_path, "train", "dev", "more", unlabelled_split="more", teacher="t", max_frames="5"
    )
    assert "3 of 3 sequences have more than max_frames 5" in text
