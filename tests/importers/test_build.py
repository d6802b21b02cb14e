"""A listing becomes the same corpus on one machine or many, or nothing and all that is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepare_helpers import built

from slr_accel.corpus.leakage import leakage
from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.importers.build import build_corpus
from slr_accel.importers.listing import Item, Listing
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.merge import list_parts
from slr_accel.layouts.layout import generic_layout
from slr_accel.progress import untracked


def sequence(number: int, **changes) -> Sequence:
    features = np.random.default_rng(number).normal(size=(4 + number % 3, 2)).astype(np.float32)
    made = Sequence(
        id=f"s{number}",
        split="dev" if number % 4 == 3 else "train",
        signer="anna",
        features=features,
        presence=np.ones((len(features), 1), bool),
        labels=["HELLO", f"WORD{number % 5}"],
        segments=[Segment(0, 3, "HELLO")],
        text="hello",
    )
    return replace(made, **changes)


def listing(*sequences: Sequence, **changes) -> Listing:
    items = [Item(s.id, f"list:{i}", lambda s=s: s) for i, s in enumerate(sequences)]
    return replace(Listing("test", generic_layout(2), 25.0, items, {"version": 3}), **changes)


def unreadable() -> Sequence:
    raise ValueError("the file is damaged")


def with_damage(*numbers: int) -> Listing:
    found = listing(*(sequence(i) for i in range(4)))
    items = [
        replace(item, read=unreadable) if i in numbers else item
        for i, item in enumerate(found.items)
    ]
    return replace(found, items=items)


# One machine or many


@given(count=st.integers(1, 60), machines=st.integers(1, 12))
def test_shares_cover_every_item_once_in_order(count, machines):
    shared = []
    for index in range(machines):
        try:
            shared += Part(index, machines).select(list(range(count)))
        except ValueError:
            assert machines > count  # nothing left for this one, and it says so
    assert shared == list(range(count))


def test_merged_parts_are_the_corpus_one_machine_makes(tmp_path: Path):
    source = tmp_path / "index"
    source.write_text("the source")
    found = listing(*(sequence(i) for i in range(11)), files=(source,), root=tmp_path)
    found.notes.append("one is left out")
    whole = built(found, tmp_path / "whole")
    for index in (2, 0, 1):
        part = build_corpus(found, tmp_path / "out", part=Part(index, 3), track=untracked)
        with pytest.raises(ValueError, match="prepare merge"):
            open_corpus(part.folder)
    merged = built(list_parts(tmp_path / "out"), tmp_path / "out")
    assert merged.info == whole.info
    assert merged.info.source["notes"] == ["one is left out"]
    for file in (path.name for path in whole.folder.iterdir()):
        assert (merged.folder / file).read_bytes() == (whole.folder / file).read_bytes()


def test_merge_names_the_parts_that_are_missing(tmp_path: Path):
    found = listing(*(sequence(i) for i in range(6)))
    for index in (0, 2):
        build_corpus(found, tmp_path / "out", part=Part(index, 4), track=untracked)
    with pytest.raises(ValueError, match=r"2 of 4 parts .* --shard 1/4, --shard 3/4"):
        list_parts(tmp_path / "out")


def test_parts_of_different_sources_are_not_merged(tmp_path: Path):
    for index in (0, 1):
        found = listing(*(sequence(i + index) for i in range(6)))
        build_corpus(found, tmp_path / "out", part=Part(index, 2), track=untracked)
    with pytest.raises(ValueError, match="different sources"):
        list_parts(tmp_path / "out")


def test_parts_made_with_different_options_are_not_merged(tmp_path: Path):
    for index in (0, 1):
        found = listing(*(sequence(i) for i in range(6)), source={"seed": index})
        build_corpus(found, tmp_path / "out", part=Part(index, 2), track=untracked)
    with pytest.raises(ValueError, match="different sources, options"):
        list_parts(tmp_path / "out")


def test_without_parts_merge_says_how_to_make_them(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no parts here.*--shard i/n"):
        list_parts(tmp_path / "out")


def test_skipped_sequences_of_all_parts_are_listed_in_the_merged_corpus(tmp_path: Path):
    for index in (0, 1):
        build_corpus(
            with_damage(0, 3),
            tmp_path / "out",
            part=Part(index, 2),
            allow_skips=True,
            track=untracked,
        )
    merged = built(list_parts(tmp_path / "out"), tmp_path / "out")
    assert [text.partition(" ")[0] for text in merged.info.source["skipped"]] == [
        "list:0:",
        "list:3:",
    ]


def test_a_part_without_anything_readable_is_merged_with_the_others(tmp_path: Path):
    whole = built(with_damage(0, 1), tmp_path / "whole", allow_skips=True)
    for index in range(2):
        build_corpus(
            with_damage(0, 1),
            tmp_path / "out",
            part=Part(index, 2),
            allow_skips=True,
            track=untracked,
        )
    assert built(list_parts(tmp_path / "out"), tmp_path / "out").info == whole.info


def test_parts_without_anything_readable_are_no_corpus(tmp_path: Path):
    for index in range(2):
        build_corpus(
            with_damage(0, 1, 2, 3),
            tmp_path / "out",
            part=Part(index, 2),
            allow_skips=True,
            track=untracked,
        )
    with pytest.raises(ValueError, match="no sequences"):
        built(list_parts(tmp_path / "out"), tmp_path / "out")


@pytest.mark.parametrize("text", ["3", "3/3", "4/3", "-1/3", "a/b", "1/", "/2", "1/0", "²/3"])
def test_a_share_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="give i/n"):
        Part.parse(text)


# What cannot be read


def test_all_that_cannot_be_read_is_told_at_once_and_nothing_is_written(tmp_path: Path):
    with pytest.raises(ValueError) as error:
        build_corpus(with_damage(1, 2), tmp_path / "out", track=untracked)
    for text in ("2 problems", "list:1: s1: the file is damaged", "list:2: s2", "--allow_skips"):
        assert text in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_skips_are_left_out_and_listed_where_allowed(tmp_path: Path):
    corpus = built(with_damage(1), tmp_path / "out", allow_skips=True)
    assert [corpus.rows.id(row) for row in range(len(corpus.rows))] == ["s0", "s2", "s3"]
    assert corpus.info.source["skipped"] == ["list:1: s1: the file is damaged"]


def test_nothing_readable_is_no_corpus_even_where_skips_are_allowed(tmp_path: Path):
    with pytest.raises(ValueError, match="4 problems") as error:
        build_corpus(with_damage(0, 1, 2, 3), tmp_path / "out", allow_skips=True, track=untracked)
    assert "--allow_skips" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.zeros((0, 2), np.float32), "presence": np.ones((0, 1), bool)}, "no frame"),
        ({"features": np.full((5, 2), np.nan, np.float32)}, "NaN or infinite.*frame 0"),
        ({"segments": [Segment(1, 9, "HELLO")]}, "lies beyond the last of 5 frames"),
        ({"labels": []}, "no `labels`"),
    ],
)
def test_a_sequence_that_cannot_be_trained_on_is_a_problem(tmp_path: Path, changes, message):
    with pytest.raises(ValueError, match=message):
        build_corpus(listing(sequence(1, **changes)), tmp_path / "out", track=untracked)


@pytest.mark.parametrize(
    "changes", [{"labels": ["A\x00B"]}, {"signer": "an\x1b[31mna"}, {"id": "s\x7f1"}]
)
def test_control_characters_are_a_problem(tmp_path: Path, changes):
    with pytest.raises(ValueError, match="holds a control character; write it without"):
        build_corpus(listing(sequence(1, **changes)), tmp_path / "out", track=untracked)


@pytest.mark.parametrize(
    ("ids", "message"),
    [(("a", "b", "a"), "list:2: id 'a' was used at list:0"), (("a b",), "white space")],
)
def test_ids_are_unique_and_one_word(tmp_path: Path, ids, message):
    found = listing(*(sequence(i, id=name) for i, name in enumerate(ids)))
    with pytest.raises(ValueError, match=message):
        build_corpus(found, tmp_path / "out", track=untracked)
    if "a b" in ids:
        with pytest.raises(ValueError, match=message):
            build_corpus(found, tmp_path / "out", allow_skips=True, track=untracked)


@pytest.mark.parametrize("machines", [1, 2])
def test_of_a_repeated_id_the_first_is_kept_where_skips_are_allowed(tmp_path: Path, machines):
    def found() -> Listing:
        return listing(*(sequence(i, id=name) for i, name in enumerate("abcab")))

    out = tmp_path / "out"
    for number in range(machines):
        part = Part(number, machines) if machines > 1 else None
        build_corpus(found(), out, part=part, allow_skips=True, track=untracked)
    corpus = built(list_parts(out), out) if machines > 1 else open_corpus(out)
    assert corpus.rows.ids.to_pylist() == ["a", "b", "c"]
    np.testing.assert_allclose(corpus.features(0), sequence(0).features, atol=1e-3)
    skipped = ["list:3: id 'a' was used at list:0", "list:4: id 'b' was used at list:1"]
    assert corpus.info.source["skipped"] == skipped


def test_a_source_without_sequences_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no sequences"):
        build_corpus(listing(root=tmp_path), tmp_path / "out", track=untracked)


def test_a_link_is_not_taken_for_a_new_folder(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    with pytest.raises(ValueError, match="link or a mount point"):
        build_corpus(listing(sequence(0)), tmp_path / "out", track=untracked)


@pytest.mark.parametrize("name", ["new/..", "..", "/"])
def test_a_folder_without_a_name_of_its_own_is_refused_before_anything_is_read(tmp_path, name):
    found = listing(*(sequence(0),))
    items = [replace(item, read=unreadable) for item in found.items]
    with pytest.raises(ValueError, match="a folder of its own"):
        build_corpus(replace(found, items=items), tmp_path / name, track=untracked)


def test_a_name_in_another_encoding_is_told_with_its_place(tmp_path: Path):
    with pytest.raises(ValueError, match=r"list:0: .*not UTF-8"):
        build_corpus(listing(sequence(0, labels=["\udcdcBEN"])), tmp_path / "out", track=untracked)


def test_a_picture_that_cannot_be_drawn_leaves_the_corpus_as_it_is(tmp_path: Path):
    def fail(corpus: object, path: Path) -> None:
        raise OSError("no space left")

    found = listing(sequence(0), preview=fail)
    assert build_corpus(found, tmp_path / "out", track=untracked).preview is None
    assert len(open_corpus(tmp_path / "out").rows) == 1
    assert "no space left" in found.notes[-1]


def test_a_recording_in_two_splits_is_recorded_and_warned_of(tmp_path):
    same = sequence(0).features
    found = [sequence(0), sequence(1, split="test", features=same, presence=sequence(0).presence)]
    found += [sequence(2, split="dev"), sequence(3)]
    found += [replace(found[2], id="e", split="test")]
    corpus = built(listing(*found), tmp_path / "corpus")
    assert corpus.info.source["shared_recordings"] == ["s0 (train) = s1 (test)"]
    assert "1 recording is in train and in another split (s0 (train) = s1" in leakage(corpus)
    assert leakage(built(listing(*found[2:]), tmp_path / "sound")) is None
