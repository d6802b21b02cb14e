"""What is wrong with a corpus is found and named, what is right stays unremarked."""

import argparse
import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from prepare_helpers import built

from slr_accel.commands import inspect
from slr_accel.corpus.format import sha256
from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.importers.manifest import list_manifest
from slr_accel.inspection.inspect_corpus import histogram, inspect_corpus
from slr_accel.layouts.layout import Block, Layout
from slr_accel.progress import untracked

LAYOUT = Layout((Block("pose", ("nose",), ("x", "y")), Block("hand", ("wrist",), ("x", "y"))))


def sequence(number: int, **changes) -> Sequence:
    """Even numbers are train, odd ones dev; each split has a signer of its own."""
    frames = changes.pop("frames", 10)
    fields = {
        "id": f"s{number}",
        "split": ("train", "dev")[number % 2],
        "signer": ("anna", "ben")[number % 2],
        "features": np.random.default_rng(number).normal(size=(frames, 4)).astype(np.float32),
        "presence": np.ones((frames, 2), bool),
        "labels": ["HELLO", "WORLD"] if number % 2 == 0 else ["WORLD", "HELLO"],
    }
    return Sequence(**{**fields, **changes})


def good() -> list[Sequence]:
    return [sequence(i) for i in range(6)]


def write(folder: Path, sequences: list[Sequence], fps: float | None = 25.0) -> Path:
    write_corpus(
        folder,
        sequences,
        layout=LAYOUT,
        dtype="float32",
        frames_per_second=fps,
        source={},
        shard_bytes=600,
    )
    return folder


def look(folder: Path, **options) -> dict:
    return inspect_corpus(open_corpus(folder), track=untracked, **options)


def found(folder: Path, **options) -> dict[str, tuple[str, str]]:
    """{code: (severity, message)}"""
    findings = look(folder, **options)["findings"]
    assert len({f["code"] for f in findings}) == len(findings)
    return {f["code"]: (f["severity"], f["message"]) for f in findings}


def command(folder: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    inspect.add_arguments(parser)
    return inspect.run(parser.parse_args([str(folder), *words]))


def edit_rows(folder: Path, column: str, values: list) -> None:
    path = folder / "rows.arrow"
    with pa.ipc.open_file(path) as file:
        table = file.read_all()
    index = table.column_names.index(column)
    table = table.set_column(index, column, pa.array(values, table.schema.field(column).type))
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    info = json.loads((folder / "corpus.json").read_text())
    (folder / "corpus.json").write_text(json.dumps(info | {"rows_sha256": sha256(path)}))


def test_a_good_corpus_has_no_findings(tmp_path):
    figures = look(write(tmp_path / "c", good()), signer_independent=True)
    assert figures["findings"] == []
    assert figures["ok"] is True


def test_figures_are_those_of_the_sequences(tmp_path):
    sequences = [
        sequence(0, frames=900, labels=["A", "A", "B"]),
        sequence(2, frames=450, labels=["B"], signer="unknown"),
        sequence(4, frames=450, labels=["C"], signer="carla"),
        sequence(1, frames=90, labels=["A", "D"]),
        sequence(3, frames=5, labels=["A", "A", "B"], presence=np.zeros((5, 2), bool)),
        sequence(5, frames=5, labels=[]),
    ]
    folder = write(tmp_path / "c", sequences)
    figures = look(folder)
    assert figures["splits"]["train"] == {
        "sequences": 3,
        "frames": 1800,
        "hours": 0.02,
        "signers": 2,
        "tokens": 5,
        "vocabulary": 3,
        "unlabelled": 0,
        "oov_tokens": 0,
        "oov_rate": 0.0,
        "frames_min_median_max": [450, 450.0, 900],
        "labels_min_median_max": [1, 1.0, 3],
        "unalignable": {"1": 0, "2": 0, "4": 0},
    }
    # "A A B" needs 4 output steps: 5 frames at stride 1 (5 steps), not at 2 (3) and 4 (2).
    dev = figures["splits"]["dev"]
    assert dev["unalignable"] == {"1": 0, "2": 1, "4": 1}
    assert (dev["oov_tokens"], dev["oov_rate"], dev["unlabelled"]) == (1, 0.2, 1)
    assert list(figures["splits"]) == ["train", "dev"]
    assert figures["presence"] == {"pose": 1895 / 1900, "hand": 1895 / 1900}
    assert figures["bytes"] == sum(f.stat().st_size for f in folder.glob("*-0*.arrow"))
    assert figures["fingerprint"] == open_corpus(folder).info.fingerprint
    assert figures["layout"] == LAYOUT.signature


def test_hours_are_unknown_without_a_frame_rate(tmp_path):
    folder = write(tmp_path / "c", good(), fps=None)
    assert look(folder)["splits"]["train"]["hours"] is None
    assert found(folder)["no_frame_rate"][0] == "note"


@pytest.mark.parametrize("values", [[3], [1, 2, 2, 9], list(range(100)), [5, 1000]])
def test_a_histogram_counts_every_value_once_in_bins_that_touch(values):
    bins = histogram(np.array(values))
    assert sum(entry["count"] for entry in bins) == len(values)
    assert len(bins) <= 10
    assert (bins[0]["from"], bins[-1]["to"]) == (min(values), max(values))
    assert all(a["to"] + 1 == b["from"] for a, b in pairwise(bins))
    for entry in bins:
        inside = [v for v in values if entry["from"] <= v <= entry["to"]]
        assert entry["count"] == len(inside)


# Errors.


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_an_error(tmp_path, value):
    bad = sequence(6)
    bad.features[3, 1] = value
    severity, message = found(write(tmp_path / "c", [*good(), bad]))["non_finite"]
    assert severity == "error"
    assert "s6" in message
    assert "1 values" in message


def test_an_id_used_twice_is_an_error(tmp_path):
    folder = write(tmp_path / "c", [*good(), sequence(6, id="s2")])
    severity, message = found(folder)["duplicate_id"]
    assert severity == "error"
    assert "s2" in message


def test_the_same_recording_in_two_splits_is_an_error_and_in_one_a_note(tmp_path):
    folder = write(tmp_path / "c", [*good(), sequence(7, features=sequence(2).features)])
    severity, message = found(folder)["split_overlap"]
    assert severity == "error"
    assert "s2 (train) = s7 (dev)" in message
    folder = write(tmp_path / "d", [*good(), sequence(8, features=sequence(2).features)])
    assert "split_overlap" not in found(folder)
    assert found(folder)["repeated_content"][0] == "note"


def test_a_train_row_without_labels_is_an_error_a_test_row_is_not(tmp_path):
    folder = write(tmp_path / "c", [*good(), sequence(6, labels=[])])
    severity, message = found(folder)["no_labels"]
    assert severity == "error"
    assert "s6" in message
    folder = write(tmp_path / "d", [*good(), sequence(6, labels=[], split="test")])
    assert "no_labels" not in found(folder)


def test_labels_that_no_stride_can_align_are_an_error(tmp_path):
    fits = sequence(6, frames=3, labels=["A", "A"])
    short = sequence(8, frames=2, labels=["A", "A"])
    severity, message = found(write(tmp_path / "c", [*good(), fits, short]))["unalignable"]
    assert severity == "error"
    assert "s8 has 2 frames and needs 3" in message
    assert "s6" not in message


def test_a_row_without_frames_is_an_error(tmp_path):
    folder = write(tmp_path / "c", good())
    edit_rows(folder, "frames", [0, 10, 10, 10, 10, 10])
    findings = found(folder)
    assert findings["no_frames"][0] == "error"
    assert "s0" in findings["no_frames"][1]
    assert "train-00000.arrow" in findings["damaged_shard"][1]


def test_a_damaged_shard_is_an_error_that_names_it_and_the_others_are_looked_at(tmp_path):
    bad = sequence(7)
    bad.features[0, 0] = np.nan
    folder = write(tmp_path / "c", [*good(), bad])
    path = folder / "train-00000.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    findings = found(folder)
    assert findings["damaged_shard"][0] == "error"
    assert "train-00000.arrow" in findings["damaged_shard"][1]
    assert "s7" in findings["non_finite"][1]


# Warnings and notes.


def test_a_signer_in_two_splits_is_a_note_or_an_error_as_asked(tmp_path):
    folder = write(tmp_path / "c", [*good(), sequence(6, signer="ben")])
    severity, message = found(folder)["signer_overlap"]
    assert severity == "note"
    assert "ben (dev and train)" in message
    assert "anna" not in message
    assert look(folder)["ok"] is True
    assert found(folder, signer_independent=True)["signer_overlap"][0] == "error"
    assert look(folder, signer_independent=True)["ok"] is False


def test_unknown_signers_are_nobody_in_particular(tmp_path):
    folder = write(tmp_path / "c", [sequence(i, signer="unknown") for i in range(4)])
    assert found(folder, signer_independent=True) == {}


def test_labels_that_train_lacks_are_a_note_with_their_share(tmp_path):
    folder = write(tmp_path / "c", [*good(), sequence(7, labels=["NEVER", "SEEN"])])
    severity, message = found(folder)["unseen_labels"]
    assert severity == "note"
    assert "NEVER, SEEN" in message
    assert "2 of 8 tokens (25.0%)" in message


def test_sentences_that_train_has_word_for_word_are_a_note(tmp_path):
    rows = [sequence(7, labels=["HELLO", "WORLD"]), sequence(9, labels=["HELLO"])]
    severity, message = found(write(tmp_path / "c", [*good(), *rows]))["repeated_sentences"]
    assert severity == "note"
    assert "1 of 5 sentences of dev (20%) are in train word for word" in message


def test_labels_in_another_unicode_form_than_those_of_train_are_told(tmp_path):
    forms = ("GR\u00dcN", "GRU\u0308N")
    rows = [sequence(i, split=("train", "dev")[i], labels=[forms[i]]) for i in range(2)]
    _, message = found(write(tmp_path / "c", rows))["unseen_labels"]
    assert f"{forms[1]}: train has the same in another Unicode form" in message


def test_train_labels_that_look_alike_are_a_warning_and_other_cases_a_note(tmp_path):
    def finding(*labels: str) -> tuple[str, str] | None:
        rows = [*good(), sequence(6, labels=[*labels, "HELLO", "WORLD"])]
        return found(write(tmp_path / str(hash(labels)), rows)).get("alike_labels")

    assert finding("HELP") is None
    severity, message = finding("Hello") or ("", "")
    assert severity == "note" and "HELLO = Hello" in message
    for other, shown in (("WORL\u200bD", r"WORL\u200bD"), ("GRU\u0308N", r"GRU\u0308N")):
        severity, message = finding(other, "GR\u00dcN") or ("", "")
        assert severity == "warning" and shown in message


def test_a_split_without_labels_is_told_and_is_a_warning_where_some_have_them(tmp_path):
    folder = write(tmp_path / "c", [*good(), sequence(7, labels=[])])
    severity, message = found(folder)["unlabelled"]
    assert severity == "warning" and "1 sequence of dev without labels: s7" in message
    new = [sequence(i, split="new", labels=[], signer="cleo") for i in (8, 9)]
    folder = write(tmp_path / "d", [*good(), *new])
    assert found(folder)["unlabelled"][0] == "note"


def test_a_recording_in_two_splits_is_shown_in_both(tmp_path):
    same = sequence(0).features
    rows = [sequence(i, features=same) for i in (0, 2, 4, 6, 8, 10, 1)]
    _, message = found(write(tmp_path / "c", rows))["split_overlap"]
    assert "s0 (train) = s1 (dev)" in message


def test_labels_that_are_all_unknown_to_train_are_a_warning(tmp_path):
    train, dev, test = (sequence(i, split=("train", "dev", "test")[i]) for i in range(3))
    folder = write(tmp_path / "c", [train, replace(dev, labels=["Hello", "World"]), test])
    severity, message = found(folder)["unseen_labels"]
    assert severity == "warning"
    assert "None of the labels of dev occurs in train: Hello, World" in message
    assert "upper and lower case" in message


def test_a_corpus_without_train_is_a_warning_and_has_no_oov_rate(tmp_path):
    folder = write(tmp_path / "c", [sequence(1), sequence(3)])
    assert found(folder)["no_train_split"][0] == "warning"
    assert look(folder)["splits"]["dev"]["oov_rate"] is None


def test_a_corpus_that_training_cannot_validate_on_is_a_warning(tmp_path):
    folder = write(tmp_path / "c", [sequence(0), sequence(2)])
    severity, message = found(folder)["no_dev_split"]
    assert severity == "warning"
    assert "change `split` to `dev` in some rows" in message
    assert "--eval_split" not in message
    folder = write(tmp_path / "d", [sequence(0), sequence(1, split="val")])
    assert "--eval_split val" in found(folder)["no_dev_split"][1]


def test_splits_in_capitals_are_told_to_be_others(tmp_path):
    folder = write(tmp_path / "c", [sequence(0, split="Train"), sequence(1)])
    assert "Train is not train" in found(folder)["no_train_split"][1]


def test_a_block_absent_throughout_is_a_warning(tmp_path):
    absent = np.ones((10, 2), bool)
    absent[:, 1] = False
    folder = write(tmp_path / "c", [sequence(i, presence=absent) for i in range(4)])
    severity, message = found(folder)["absent_block"]
    assert severity == "warning"
    assert "hand" in message
    assert "--missing, where the importer has it" in message
    assert look(folder)["ok"] is True


def still(number: int, columns: slice, value: float) -> Sequence:
    features = sequence(number).features
    features[:, columns] = value
    return sequence(number, features=features)


def test_a_block_that_never_changes_is_a_warning(tmp_path):
    folder = write(tmp_path / "c", [still(i, slice(2, 4), 0.5) for i in range(4)])
    findings = found(folder)
    assert findings["constant_block"][0] == "warning"
    assert "hand" in findings["constant_block"][1]
    assert "constant_columns" not in findings


def test_a_column_that_never_changes_where_its_block_is_present_is_a_note(tmp_path):
    presence = np.ones((10, 2), bool)
    presence[::2, 1] = False
    sequences = []
    for number in range(4):
        features = still(number, slice(3, 4), 0.5).features
        features[::2, 2:] = 0
        sequences.append(sequence(number, features=features, presence=presence))
    findings = found(write(tmp_path / "c", sequences))
    assert list(findings) == ["constant_columns"]
    assert findings["constant_columns"][0] == "note"
    assert "1 of 4 columns" in findings["constant_columns"][1]
    assert "hand.wrist.y" in findings["constant_columns"][1]


def scaled(number: int, factor: float, **changes) -> Sequence:
    features = sequence(number).features
    features[:, 2:] *= np.float32(factor)
    return sequence(number, features=features, **changes)


@pytest.mark.parametrize("factor", [1e30, 640])
def test_values_far_beyond_those_of_other_sequences_are_a_warning(tmp_path, factor):
    folder = write(tmp_path / "c", [*good(), scaled(6, factor)])
    findings = found(folder)
    assert list(findings) == ["far_values"]
    severity, message = findings["far_values"]
    assert severity == "warning"
    assert "hand" in message and "pose" not in message
    assert "1 sequence" in message and "s6" in message


def test_the_first_of_two_sequences_tells_that_the_other_is_far_off(tmp_path):
    folder = write(tmp_path / "c", [sequence(0), scaled(1, 1e30)])
    assert "s1" in found(folder)["far_values"][1]


def test_the_usual_size_of_values_is_that_of_sequences_with_the_block(tmp_path):
    absent = np.ones((10, 2), bool)
    absent[:, 1] = False
    without = [scaled(i, 0, presence=absent) for i in range(6)]
    with_hand = [sequence(i) for i in (6, 7, 8)]
    assert "far_values" not in found(write(tmp_path / "c", [*without, *with_hand]))
    far = found(write(tmp_path / "d", [*without, *with_hand, scaled(9, 640)]))["far_values"][1]
    assert "s9" in far


def test_a_block_that_is_mostly_zero_has_no_usual_size(tmp_path):
    zeros = [scaled(i, 0) for i in range(6)]
    assert "far_values" not in found(write(tmp_path / "c", [*zeros, sequence(6), sequence(7)]))


def test_zeros_that_count_as_detected_are_a_warning(tmp_path):
    sequences = []
    for number in range(4):
        features = sequence(number).features
        features[:3, 2:] = 0
        sequences.append(sequence(number, features=features))
    severity, message = found(write(tmp_path / "c", sequences))["unmarked_absence"]
    assert severity == "warning"
    assert "hand" in message
    assert "30%" in message
    assert "--missing zeros" in message


def test_segments_that_do_not_follow_the_labels_are_a_note(tmp_path):
    places = {
        "fits": [Segment(0, 4, "HELLO"), Segment(5, 9, "WORLD")],
        "shares_a_frame": [Segment(0, 5, "HELLO"), Segment(4, 9, "WORLD")],
        "unknown": [],
        "other_gloss": [Segment(0, 4, "HELLO"), Segment(5, 9, "MOON")],
        "one_missing": [Segment(0, 4, "HELLO")],
        "unsorted": [Segment(5, 9, "HELLO"), Segment(0, 4, "WORLD")],
        "overlapping": [Segment(0, 7, "HELLO"), Segment(5, 9, "WORLD")],
    }
    sequences = [sequence(2 * i, id=name, segments=s) for i, (name, s) in enumerate(places.items())]
    sequences.append(sequence(1, segments=[]))
    findings = found(write(tmp_path / "c", sequences))
    assert list(findings) == ["stray_segments"]
    severity, message = findings["stray_segments"]
    assert severity == "note"
    assert "4 sequences" in message and ": other_gloss, one_missing, unsorted, over" in message


def test_errors_come_before_warnings_and_notes(tmp_path):
    sequences = [still(i, slice(2, 4), 0.5) for i in range(4)]
    folder = write(tmp_path / "c", [*sequences, sequence(6, labels=[], signer="ben")], fps=None)
    order = [f["severity"] for f in look(folder)["findings"]]
    assert order == sorted(order, key=["error", "warning", "note"].index)
    assert {"error", "note"} <= set(order)


# The command.


def test_json_is_one_object_with_everything_and_nothing_else(tmp_path, capsys):
    folder = write(tmp_path / "c", [*good(), sequence(6, id="s2", signer="ben")])
    code = command(folder, "--json")
    printed = capsys.readouterr()
    assert code == 1
    assert json.loads(printed.out) == json.loads(json.dumps(look(folder)))
    assert printed.err == ""
    finding = json.loads(printed.out)["findings"][0]
    assert list(finding) == ["severity", "code", "message", "cure"]
    assert finding["message"].endswith(f": s2. {finding['cure']}")
    assert finding["cure"].startswith("Give every sequence an id of its own")


def test_the_exit_code_is_0_without_errors_and_1_with(tmp_path, capsys):
    folder = write(tmp_path / "c", [*good(), sequence(6, signer="ben")])
    assert command(folder) == 0
    assert command(folder, "--signer_independent") == 1


def test_a_folder_without_a_corpus_and_a_truncated_shard_are_wrong_use(tmp_path):
    with pytest.raises(ValueError, match="slr-accel prepare"):
        command(tmp_path)
    folder = write(tmp_path / "c", good())
    os.truncate(folder / "train-00000.arrow", 100)
    with pytest.raises(ValueError, match=r"train-00000\.arrow"):
        command(folder)


def test_the_text_shows_the_figures_in_80_columns_of_plain_text(tmp_path, capsys):
    split = sequence(7, id="[bold]odd[/bold]", split="test", labels=["[red]NEW"])
    folder = write(tmp_path / "c", [*good(), split])
    command(folder)
    text = capsys.readouterr().out
    assert "\x1b" not in text
    findings = text.index("\nwarning ")
    assert max(map(len, text[text.index("sequences") : findings].splitlines())) <= 80
    assert "[red]NEW" in text[findings:]  # labels are no markup
    for shown in ("pose 1xy, hand 1xy", "float32", "25 fps", "stride 4", "hand", "100.0%"):
        assert shown in text, shown
    assert open_corpus(folder).info.fingerprint in text


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "code"), [("boston104", 0), ("an4_mfcc", 0), ("wlasl50", 0)])
def test_real_corpora_have_no_errors(shared_data, tmp_path, capsys, name, code):
    built(list_manifest(shared_data / name / "index.jsonl"), tmp_path / "c")
    assert command(tmp_path / "c", "--json") == code
    figures = json.loads(capsys.readouterr().out)
    assert figures["splits"]["train"]["oov_tokens"] == 0
    codes = {finding["code"] for finding in figures["findings"]}
    # boston104's three signers are in both splits; an4's dev speakers are unseen.
    assert ("signer_overlap" in codes) == (name == "boston104")
    assert not codes & {"broken_sequence", "swapped_hands"}
