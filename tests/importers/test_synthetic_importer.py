"""The procedural signer signs a real corpus' sentences in their lengths, or says what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import built, index_of

from slr_accel.cli import main
from slr_accel.importers.build import build_corpus
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.merge import list_parts
from slr_accel.importers.synthetic import list_like_phoenix2014
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.progress import untracked


def row(number: int, **changes) -> dict:
    fields = {
        "id": f"01April_2010_heute-{number}",
        "split": ("train", "dev", "test")[number % 3],
        "signer": f"Signer{number % 4:02d}",
        "num_frames": 40 + number,
        "raw": "__ON__ loc-NORD REGEN REGEN",
        "clean": "NORD REGEN",
        "si5": "train" if number % 2 else None,
    }
    return fields | changes


def test_sentences_have_the_indexs_lengths_raw_glosses_signers_and_splits(tmp_path: Path):
    rows = [row(i) for i in range(6)]
    corpus = built(list_like_phoenix2014(index_of(tmp_path, *rows), "multisigner"), tmp_path / "c")
    assert corpus.layout == mediapipe_holistic()
    assert (corpus.info.dtype, corpus.info.frames_per_second) == ("float16", 25.0)
    for number, expected in enumerate(rows):
        sequence = corpus.sequence(number)
        assert sequence.id == expected["id"]
        assert len(sequence.features) == expected["num_frames"]
        assert sequence.labels == [s.label for s in sequence.segments] == expected["raw"].split()
        assert (sequence.signer, sequence.split) == (expected["signer"], expected["split"])


def test_si5_takes_the_rows_and_splits_of_its_own_field(tmp_path: Path):
    rows = [row(0), row(1, si5="train"), row(2, si5="dev"), row(3, si5="test", split="train")]
    corpus = built(list_like_phoenix2014(index_of(tmp_path, *rows)), tmp_path / "c")
    found = {corpus.rows.id(i): corpus.rows.split(i) for i in range(len(corpus.rows))}
    assert found == {r["id"]: r["si5"] for r in rows[1:]}


def test_a_sequence_depends_neither_on_other_rows_nor_on_shares(tmp_path: Path):
    rows = [row(i, si5="train") for i in range(5)]
    whole = list_like_phoenix2014(index_of(tmp_path, *rows))
    for index in (0, 1):
        build_corpus(whole, tmp_path / "parts", part=Part(index, 2), track=untracked)
    merged = built(list_parts(tmp_path / "parts"), tmp_path / "parts")
    whole = built(whole, tmp_path / "whole")
    assert merged.info == whole.info
    (tmp_path / "other").mkdir()
    alone = built(list_like_phoenix2014(index_of(tmp_path / "other", rows[3])), tmp_path / "alone")
    np.testing.assert_array_equal(alone.features(0), whole.features(3))
    np.testing.assert_array_equal(merged.features(3), whole.features(3))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (json.dumps({"id": "a", "split": "train"}), r":2: signer, num_frames, raw missing"),
        (json.dumps(row(1, num_frames=19)), r":2: `num_frames` is 19; 4 signs .* 20 or more"),
        (json.dumps(row(1, num_frames="long")), r":2: `num_frames` is 'long'"),
        (json.dumps(row(1, raw=" ")), r":2: `raw` has no glosses"),
        (json.dumps(row(1, raw=3)), r":2: `labels` is neither"),
        (json.dumps(row(1, id=" ")), r":2: `id` is missing"),
        (json.dumps(row(1, si5="a b")), r":2: `split` is 'a b'"),
        (json.dumps(row(3)), r":2: id '01April_2010_heute-3' was used at .*:1"),
        ("{", r":2: not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_with_its_line(tmp_path: Path, line, message):
    with pytest.raises(ValueError, match=message):
        built(list_like_phoenix2014(index_of(tmp_path, row(3), line)), tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_a_partition_without_rows_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no row is in the partition si5"):
        list_like_phoenix2014(index_of(tmp_path, row(0), row(2)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--like=phoenix2014"], "needs --index FILE"),
        (["--index=index.jsonl"], "need --like phoenix2014"),
        (["--partition=si5"], "need --like phoenix2014"),
        (["--like=phoenix2014", "--index=i.jsonl", "--num_dev=3"], "leave out --num_dev"),
        (["--like=phoenix2014", "--index=i.jsonl"], "i.jsonl: no such index file"),
        (["--like=phoenix2014", "--index=i.jsonl", "--seed=-1"], "--seed is -1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, capsys, words, message):
    with pytest.raises(SystemExit) as end:
        main(["prepare", "synthetic", "--out", str(tmp_path / "corpus"), *words])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.real_data
def test_phoenix_lists_4375_111_and_180_sentences_and_performs_the_shortest(shared_data: Path):
    index = shared_data / "phoenix2014" / "index.jsonl"
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    for partition, field, counts in [
        ("si5", "si5", {"train": 4375, "dev": 111, "test": 180}),
        ("multisigner", "split", {"train": 5671, "dev": 540, "test": 629}),
    ]:
        listing = list_like_phoenix2014(index, partition)
        assert not listing.problems.messages
        split_of = {row["id"]: row[field] for row in rows}
        splits = [split_of[item.id] for item in listing.items]
        assert {split: splits.count(split) for split in counts} == counts
        assert len(splits) == sum(counts.values())
    items = {item.id: item for item in listing.items}
    for expected in sorted(rows, key=lambda r: r["num_frames"] / len(r["raw"].split()))[:5]:
        sequence = items[expected["id"]].read()
        assert len(sequence.features) == expected["num_frames"]
        assert all(segment.start < segment.end for segment in sequence.segments)
